"""Where the command `obra` begins: nothing is imported here that takes time."""

import signal


def main() -> None:
    """Run the command line. Ctrl-C before it is loaded ends the process as it ends any program, without a traceback."""
    heard = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # not where a shell has it ignored
    if heard:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from obra.services.console.main import main as command_line  # noqa: PLC0415 - what takes the time

    if heard:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    command_line()
