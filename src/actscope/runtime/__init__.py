"""Starting and stopping processes, signals, progress."""
