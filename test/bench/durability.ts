import { setTimeout } from 'node:timers/promises';
import SqliteDatabase from 'better-sqlite3';
import type { Upstream } from './bench-upstream.ts';
import { type Candidate, indexIn } from './candidates.ts';
import { type SmallImage, smallImage } from './content.ts';
import type { Contestant } from './contestant.ts';
import type { Sample } from './figures.ts';
import { checkImage, pullAll } from './load.ts';

const crowds = [1, 4, 16, 64];
const imagesEach = 150;
/** The server dies after so long, under the largest crowd; what clients had so long before may not be lost. Milliseconds. */
const loadMs = 3000;
const lagMs = 1000;
const sampleMs = 5;
/** Longer is not waited for. Milliseconds. */
const limitMs = 60_000;

/** How far what would survive the end of the process is behind what clients have. Nothing of a server whose index is none of ours. */
export async function durability(contestant: Contestant, upstream: Upstream, round: number): Promise<Sample> {
  const server = await contestant.as('fast');
  if (!server.isOurs) return {};
  const repository = `${upstream.host}/bench`;
  let lag = 0;
  for (const [at, clients] of crowds.entries()) {
    const images = newImages(100_000 * (round + 1) + 1000 * at, imagesEach);
    lag = Math.max(lag, await greatestLag(server, repository, images, clients));
  }
  return { lag: { value: lag }, lost: { value: await lostImages(contestant, repository) } };
}

/** What another process finds in the index. */
class Index implements Disposable {
  readonly #database: SqliteDatabase.Database;
  readonly #isComplete: SqliteDatabase.Statement<[string, string], { complete: number }>;

  constructor({ directory }: Candidate) {
    this.#database = new SqliteDatabase(indexIn(directory), { readonly: true });
    this.#isComplete = this.#database.prepare(
      `select not exists (
         select 1 from children k join wanted w on w.content = k.child and w.repository = k.repository
         where k.repository = t.repository and k.manifest = t.manifest) as complete
       from tags t join repositories r on r.id = t.repository where r.name = ? and t.tag = ?`,
    );
  }

  /** Its tag, its manifest and all its blobs? */
  has(repository: string, tag: string): boolean {
    return this.#isComplete.get(repository, tag)?.complete === 1;
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }
}

/** From a client's having an image completely until the index has it. Milliseconds. */
async function greatestLag(
  server: Candidate,
  repository: string,
  images: readonly SmallImage[],
  clients: number,
): Promise<number> {
  using index = new Index(server);
  const waiting = new Map<string, number>();
  let greatest = 0;
  const over = new AbortController();
  const pulled = pullAll(server, images, clients, ({ tag }) => waiting.set(tag, performance.now()));
  const pulling = pulled.finally(() => over.abort());
  while (!over.signal.aborted || waiting.size > 0) {
    await setTimeout(sampleMs);
    for (const [tag, since] of waiting) {
      greatest = Math.max(greatest, performance.now() - since);
      if (index.has(repository, tag)) waiting.delete(tag);
      else if (greatest > limitMs) throw new Error(`${tag} is not in the index after ${limitMs} ms`);
    }
  }
  await pulling;
  return greatest;
}

/** Of a server of its own, since it does not outlive this. */
async function lostImages(contestant: Contestant, repository: string): Promise<number> {
  await using server = await contestant.another();
  const had = new Map<string, number>();
  const images = newImages(0, 2000);
  const pulling = pullAll(server, images, Math.max(...crowds), ({ tag }) => {
    had.set(tag, performance.now());
  }).catch(() => {});
  await setTimeout(loadMs);
  const killedAt = performance.now();
  await server.kill();
  await pulling;
  using index = new Index(server);
  const safe = [...had].filter(([, at]) => killedAt - at >= lagMs);
  return safe.filter(([tag]) => !index.has(repository, tag)).length;
}

function newImages(first: number, count: number): SmallImage[] {
  const images = Array.from({ length: count }, (_, at) => smallImage(1_000_000 + first + at));
  images.slice(0, imagesEach).forEach(checkImage);
  return images;
}
