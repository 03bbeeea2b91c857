/** Bytes that are read once, of which the first were looked at already. */
export interface SniffedBytes {
  /** As many as were wanted; fewer only where there are no more. */
  readonly head: Uint8Array;
  /** All of them, the head included. */
  readonly bytes: AsyncIterable<Uint8Array>;
}

/** Reads what something begins with, and leaves it to be read from its beginning. Whoever does not read `bytes` leaves `input` open. */
export async function sniffed(input: AsyncIterable<Uint8Array>, headBytes: number): Promise<SniffedBytes> {
  const rest = input[Symbol.asyncIterator]();
  const first: Uint8Array[] = [];
  let size = 0;
  while (size < headBytes) {
    const { done, value } = await rest.next();
    if (done === true) break;
    first.push(Uint8Array.from(value));
    size += value.length;
  }
  return { head: Buffer.concat(first).subarray(0, headBytes), bytes: bothOf(first, rest) };
}

async function* bothOf(
  first: readonly Uint8Array[],
  rest: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  try {
    yield* first;
    for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value;
  } finally {
    await rest.return?.();
  }
}
