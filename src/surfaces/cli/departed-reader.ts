/**
 * Lets the process go on when whoever read its output has gone, as after `| head`: what it has begun is worth more than
 * who listens, and its exit code is its own. Any other error of an output ends it.
 */
export function outliveReaders(streams: readonly NodeJS.WritableStream[]): void {
  for (const stream of streams) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") throw error;
    });
  }
}
