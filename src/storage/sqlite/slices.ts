/** So many rows are read in one go; whoever walks on lets the event loop turn. */
export const sliceRows = 500;

/** All rows of an ordered walk, slice by slice: `read` gives those behind the last one, from the first where there is none. */
export function* rowsBySlices<Row>(
  read: (last: Row | undefined, limit: number) => readonly Row[],
): Iterable<Row> {
  for (let last: Row | undefined; ; ) {
    const rows = read(last, sliceRows);
    yield* rows;
    last = rows[sliceRows - 1];
    if (last === undefined) return;
  }
}
