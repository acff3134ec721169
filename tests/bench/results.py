"""The figures of a run: collected in rounds, as medians with their range, as ratios."""

import statistics
import subprocess

from programs import Trouble, say


def turn(names, number):
    """The order of a round: each name is first as often as the others, and each follows another."""
    step = 1 if number % 2 == 0 else -1
    return [names[(number + step * place) % len(names)] for place in range(len(names))]


def spread_of(values):
    if not values:
        return None
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


class Results:
    """figures[case][program] is a list of a round's figures; troubles what went wrong, by name."""

    def __init__(self):
        self.figures = {}
        self.troubles = {}
        self.rate = None  # calls/s of the case `paced`

    def trouble(self, case, name, error):
        say(f"  {name}: {case}: {error}")
        self.troubles.setdefault(case, {})[name] = str(error)

    def rounds(self, case, names, rounds, one):
        """Runs `one(name)` for each name, in turn, each round in another order."""
        figures = self.figures[case] = {name: [] for name in names}
        for number in range(rounds):
            for name in turn(names, number):
                if name in self.troubles.get(case, ()):
                    continue
                try:
                    figures[name].append(one(name))
                except (Trouble, subprocess.TimeoutExpired) as error:
                    figures[name].clear()
                    self.trouble(case, name, error)
        self.figures[case] = {name: values for name, values in figures.items() if values}

    def spread(self, case, name, figure):
        values = [one[figure] for one in self.figures.get(case, {}).get(name, ()) if figure in one]
        return spread_of(values)

    def ratio(self, case, figure, name, other):
        """Round by round, so that a drift of the machine hits both."""
        mine = self.figures.get(case, {}).get(name, ())
        theirs = self.figures.get(case, {}).get(other, ())
        return spread_of([a[figure] / b[figure] for a, b in zip(mine, theirs)])
