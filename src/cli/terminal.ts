import type { WriteStream } from 'node:tty';

/** A terminal that somebody looks at. */
export type Terminal = NodeJS.WritableStream & Pick<WriteStream, 'columns' | 'rows'>;

/** Undefined: it is none on which lines can be written over, has no size, or is a machine's log (`CI`, as most of what runs builds sets it). */
export function terminalOf(stream: WriteStream, { CI = '', TERM }: NodeJS.ProcessEnv): Terminal | undefined {
  const isCi = CI !== '' && CI !== 'false' && CI !== '0';
  const isShown = stream.isTTY && stream.columns > 0 && stream.rows > 0;
  return isShown && !isCi && TERM !== 'dumb' ? stream : undefined;
}

/** Does it show colours, and may it (NO_COLOR, FORCE_COLOR)? */
export function hasColours(stream: WriteStream, env: NodeJS.ProcessEnv): boolean {
  return stream.isTTY && stream.hasColors(env);
}
