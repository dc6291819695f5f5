"""What every service needs and none owns: deciders, the shell, the bus, the store, settings, errors."""
