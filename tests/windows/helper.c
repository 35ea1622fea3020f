/* What a test asks of Windows itself.
 *
 *   helper hold FILE shared|alone   opens FILE for appending and holds it; writes there what comes on stdin
 *   helper break FILE COMMAND       runs COMMAND; once there is FILE, it gets Ctrl-Break
 */
#include <stdio.h>
#include <string.h>
#include <windows.h>

static int hold(const wchar_t *file, int shared) {
    DWORD share = shared ? FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE : 0;
    HANDLE held = CreateFileW(file, FILE_APPEND_DATA, share, NULL, OPEN_ALWAYS, 0, NULL);
    if (held == INVALID_HANDLE_VALUE) return 3;
    puts("held");
    fflush(stdout);
    char line[65536];
    while (fgets(line, sizeof line, stdin)) {
        DWORD written;
        if (!WriteFile(held, line, strlen(line), &written, NULL)) return 4;
        puts("written");
        fflush(stdout);
    }
    return 0;
}

static int interrupt(const wchar_t *file, wchar_t *command) {
    STARTUPINFOW start = {.cb = sizeof start};
    PROCESS_INFORMATION process;
    if (!CreateProcessW(NULL, command, NULL, NULL, TRUE, 0, NULL, NULL, &start, &process)) return 3;
    while (GetFileAttributesW(file) == INVALID_FILE_ATTRIBUTES && WaitForSingleObject(process.hProcess, 50)) {
    }
    /* What a console does for GenerateConsoleCtrlEvent; under Wine there is none without a terminal. */
    FARPROC routine = GetProcAddress(GetModuleHandleW(L"kernelbase"), "CtrlRoutine");
    if (!CreateRemoteThread(process.hProcess, NULL, 0, (LPTHREAD_START_ROUTINE)routine,
                            (void *)(UINT_PTR)CTRL_BREAK_EVENT, 0, NULL))
        TerminateProcess(process.hProcess, 4);
    DWORD code = 5;
    WaitForSingleObject(process.hProcess, INFINITE);
    GetExitCodeProcess(process.hProcess, &code);
    return (int)code;
}

int main(void) {
    int count;
    wchar_t **arguments = CommandLineToArgvW(GetCommandLineW(), &count);
    if (count == 4 && !wcscmp(arguments[1], L"hold")) return hold(arguments[2], !wcscmp(arguments[3], L"shared"));
    /* The command as it was written, quotes and all. */
    wchar_t *command = count > 3 ? wcsstr(GetCommandLineW(), arguments[3]) : NULL;
    return command && !wcscmp(arguments[1], L"break") ? interrupt(arguments[2], command) : 2;
}
