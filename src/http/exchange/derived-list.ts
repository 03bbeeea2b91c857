/** What is shorter is made anew for each. */
const long = 500;

const derived = new WeakMap<readonly unknown[], Map<string, Promise<readonly unknown[]>>>();

/**
 * What is made of a list that several clients have at a time, made once where it is long: what is sent of one list then is one list. `what` it is,
 * in a word of its own for each way to make it.
 */
export async function derivedOnce<Item>(
  items: readonly Item[],
  what: string,
  make: () => Promise<readonly Item[]> | readonly Item[],
): Promise<readonly Item[]> {
  if (items.length < long) return await make();
  const all = derived.get(items) ?? new Map<string, Promise<readonly unknown[]>>();
  derived.set(items, all);
  const known = all.get(what) as Promise<readonly Item[]> | undefined;
  if (known !== undefined) return await known;
  const made = Promise.resolve(make());
  all.set(what, made);
  const list = await made;
  // Whoever asks for what there is nothing of, by ever new words, must not fill the memory.
  if (list.length < long) all.delete(what);
  return list;
}
