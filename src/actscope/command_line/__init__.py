"""Words of a command line: settings, mistakes in them, commands that messages suggest."""
