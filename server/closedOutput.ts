/** The reader has gone: as in `| head -1`, that is no fault of anybody. */
const CLOSED = ['EPIPE', 'EOF', 'ERR_STREAM_DESTROYED'];

/**
 * Has a command end in order if its output cannot be written. If the reader has closed the pipe, nothing is said, and the exit code stays
 * that of what the command has done or found. If the output is lost, as on a full disk, that is one sentence and an exit code.
 * @param failure the exit code of a command whose output is lost
 */
export function guardOutput(failure: number): void {
  const { stdout, stderr } = process;
  // Without a listener, an error of a stream is an uncaught exception and a stack trace.
  stderr.on('error', () => undefined);
  stdout.on('error', ({ code = 'nothing' }: NodeJS.ErrnoException) => {
    if (CLOSED.includes(code)) return;
    const because = code === 'ENOSPC' ? 'the disk is full' : `the system says ${code}`;
    stderr.write(`The output could not be written: ${because}.\n`);
    process.on('exit', () => (process.exitCode = failure));
  });
}
