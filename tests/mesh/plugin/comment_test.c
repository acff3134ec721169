/* Comments of a contract cannot become code, nor warnings. */
#include "tests/mesh/base/test.h"

#include "mesh/plugin/comment.h"

static void dangerous_comments_are_defused(void **state)
{
    static const struct {
        const char *comment, *block;
    } cases[] = {
        {NULL, ""},
        {"", ""},
        {" \n\t\n", ""},
        {" One line.\n", "  /*\n   * One line.\n   */\n"},
        {" Two\n\n lines.", "  /*\n   * Two\n   *\n   * lines.\n   */\n"},
        {"no space", "  /*\n   * no space\n   */\n"},
        {" end */ begin /*\n", "  /*\n   * end * / begin / *\n   */\n"},
        {" **//**/ /\n/ x", "  /*\n   * ** // ** / /\n   * / x\n   */\n"},
        {" splice \\\n next \\ \n", "  /*\n   * splice\n   * next\n   */\n"},
        {" trigraph ?\?/ ?\?\?\n", "  /*\n   * trigraph ? ?/ ? ? ?\n   */\n"},
        {" a\xe2\x80\xae"
         "b\xe2\x81\xa6"
         "c\n",
         "  /*\n   * abc\n   */\n"},
        {" bell\a and \x1b"
         "[0m\r\n",
         "  /*\n   * bell  and  [0m\n   */\n"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        text out = {0};
        comment_add(&out, "  ", cases[i].comment);
        assert_string_equal(out.data != NULL ? out.data : "", cases[i].block);
        text_free(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dangerous_comments_are_defused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
