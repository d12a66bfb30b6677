/** The reader has closed the pipe, as in `| head -1`. This is not a fault. */
const CLOSED = ['EPIPE', 'EOF', 'ERR_STREAM_DESTROYED'];

/**
 * Makes a command end cleanly if its output cannot be written. If the reader has closed the pipe,
 * nothing is printed, and the exit code still describes what the command did. If the output is
 * lost, for example on a full disk, the command prints one sentence and exits with `failure`.
 * @param failure the exit code of a command whose output is lost
 */
export function guardOutput(failure: number): void {
  const { stdout, stderr } = process;
  // Without a listener, a stream error is an uncaught exception with a stack trace.
  stderr.on('error', () => undefined);
  stdout.on('error', ({ code = 'nothing' }: NodeJS.ErrnoException) => {
    if (CLOSED.includes(code)) return;
    const because = code === 'ENOSPC' ? 'the disk is full' : `the system says ${code}`;
    stderr.write(`The output could not be written: ${because}.\n`);
    process.on('exit', () => (process.exitCode = failure));
  });
}
