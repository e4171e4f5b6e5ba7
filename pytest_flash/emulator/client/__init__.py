"""Starting an emulator and controlling it, from the process that wants one."""
