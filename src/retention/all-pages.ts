/** In one go. */
const pageSize = 200;

/** What is read in pages, one item after the other; `read` gives those behind the last. */
export async function* allPages<Item, Place>(
  read: (page: { after: Place | undefined; limit: number }) => Promise<readonly Item[]>,
  placeOf: (item: Item) => Place,
): AsyncGenerator<Item> {
  for (let after: Place | undefined; ; ) {
    const page = await read({ after, limit: pageSize });
    yield* page;
    const last = page[pageSize - 1];
    if (last === undefined) return;
    after = placeOf(last);
  }
}
