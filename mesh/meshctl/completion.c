/* meshctl completion: the script that lets a shell ask `meshctl complete`. */
#include <string.h>

#include "mesh/meshctl/report.h"

/* Readline splits words at ':' and '=' otherwise, and an address has a colon. */
static const char bash[] =
    "# source <(meshctl completion bash)\n"
    "_meshctl()\n"
    "{\n"
    "    local line=\"${COMP_LINE:0:COMP_POINT}\" words=() program=() candidates=() current drop\n"
    "    read -ra words <<<\"$line\"\n"
    "    [[ $line == *[[:space:]] ]] && words+=(\"\")\n"
    "    current=\"${words[-1]}\"\n"
    "    read -ra program <<<\"${BASH_ALIASES[${words[0]}]:-${words[0]}}\"\n"
    "    mapfile -t candidates < <(\"${program[@]}\" complete -- \"${words[@]:1}\" 2>/dev/null)\n"
    "    # Readline keeps what stands before the last word break itself.\n"
    "    drop=\"${current%\"${current##*[:=]}\"}\"\n"
    "    COMPREPLY=(\"${candidates[@]#\"$drop\"}\")\n"
    "}\n"
    "complete -o default -F _meshctl meshctl\n";

int ctl_completion(ctl *run)
{
    if (run->args.word_count != 1 || strcmp(run->args.words[0], "bash") != 0)
        return ctl_report_usage(run, "completion needs the name of the shell; bash is the one "
                                     "that is known");
    fputs(bash, run->out);
    return CTL_EXIT_OK;
}
