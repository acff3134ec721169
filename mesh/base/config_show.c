/* A configuration for people to read. */
#include "mesh/base/config.h"
#include "mesh/base/setting.h"

void mesh_config_help(FILE *out, const mesh_setting *settings, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const mesh_setting *setting = &settings[i];
        bool secret = setting->type == MESH_SETTING_SECRET;
        char min[MESH_SETTING_TEXT_BYTES], max[MESH_SETTING_TEXT_BYTES];

        fprintf(out, "  %s=<%s>", setting->name, mesh_setting_form(setting));
        if (secret)
            fprintf(out, " or %s" MESH_SETTING_FILE_SUFFIX "=<file that holds it>", setting->name);
        mesh_setting_format(setting->type, setting->min, min);
        mesh_setting_format(setting->type, setting->max, max);
        if (setting->max != 0)
            fprintf(out, " from %s to %s", min, max);
        else if (setting->min != 0)
            fprintf(out, " from %s", min);
        if (setting->fallback == NULL)
            fputs(" (required)", out);
        else if (setting->fallback[0] == '\0')
            fputs(" (optional)", out);
        else if (!secret)
            fprintf(out, " (default %s)", setting->fallback);
        fprintf(out, "\n      %s\n", setting->help);
    }
}

void mesh_config_show(FILE *out, const mesh_setting *settings, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const mesh_setting *setting = &settings[i];
        char number[MESH_SETTING_TEXT_BYTES];
        const char *text = number;

        switch (setting->type) {
        case MESH_SETTING_SECRET:
            text = (*(const char **)setting->target)[0] == '\0' ? "(not set)" : "(set)";
            break;
        case MESH_SETTING_STRING:
        case MESH_SETTING_ADDRESS:
        case MESH_SETTING_TCP_ADDRESS:
        case MESH_SETTING_CHOICE:
            text = *(const char **)setting->target;
            break;
        case MESH_SETTING_INTEGER:
        case MESH_SETTING_DURATION:
        case MESH_SETTING_BYTES:
            mesh_setting_format(setting->type, *(int64_t *)setting->target, number);
            break;
        case MESH_SETTING_BOOL:
            text = *(bool *)setting->target ? "true" : "false";
            break;
        }
        fprintf(out, "%s=%s\n", setting->name, text);
    }
}
