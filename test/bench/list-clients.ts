import { setTimeout as sleep } from 'node:timers/promises';
import { type ListKind, type ListRegistry, listKinds } from './list-registry.ts';

/** How clients were answered, by status. */
export type ListAnswers = Readonly<Record<number, number>>;

/** A client that is told to come again does so as often. */
const maxTries = 600;

/**
 * So many clients read lists of all kinds at a time, each another list unless it is said. Who is told that there is no room (503, with `Retry-After`), or that the
 * reading took too long, as it may on a machine that does much else, comes again. Throws where an answer is none that there may be.
 */
export async function readLists(
  host: string,
  registries: readonly ListRegistry[],
  clients: number,
  repositoryOf = (client: number, _kind: ListKind): string => `list-${client}`,
): Promise<ListAnswers> {
  const answers: Record<number, number> = {};
  const one = async (client: number): Promise<void> => {
    const registry = registries[client % registries.length];
    const kind = listKinds[Math.floor(client / registries.length) % listKinds.length];
    if (registry === undefined || kind === undefined) return;
    for (let tries = 0; tries < maxTries; tries += 1) {
      const status = await readList(host, registry, kind, repositoryOf(client, kind));
      answers[status] = (answers[status] ?? 0) + 1;
      if (status === 200) return;
      await sleep(1000);
    }
    throw new Error(`${kind}: no list after ${maxTries} tries`);
  };
  await Promise.all(Array.from({ length: clients }, async (_, client) => await one(client)));
  return answers;
}

async function readList(
  host: string,
  registry: ListRegistry,
  kind: ListKind,
  repository: string,
): Promise<number> {
  const response = await fetch(`http://${host}${registry.path(kind, repository)}`);
  const body = Buffer.from(await response.arrayBuffer());
  const { status } = response;
  if (status === 503 && response.headers.has('retry-after')) return status;
  if (status === 502 && body.includes('takes too long to read')) return status;
  // The registries are in this process, which may have much else to do.
  if (status === 504 && body.includes('no answer from')) return status;
  const wrong =
    status === 200
      ? registry.wrongIn(kind, repository, body)
      : `status ${status}: ${body.subarray(0, 200).toString()}`;
  if (wrong !== undefined) throw new Error(`${kind}: ${wrong}`);
  return status;
}
