"""What each command does once its arguments are read. A module is loaded by the command that runs, and only then."""
