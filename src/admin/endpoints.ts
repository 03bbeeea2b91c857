import { RegistryError } from '../oci/error.ts';
import { imageText } from '../oci/reference.ts';
import { blobEntries, blobHeader } from './blob-list.ts';
import { type AdminEndpoint, type AdminSources, endpoint } from './endpoint.ts';
import { fillEntries, fillHeader } from './fill-list.ts';
import { imageEntries, imageHeader, manifestEntries } from './image-lists.ts';
import type { Choice } from './named-images.ts';
import { descriptionOf } from './openapi.ts';
import * as take from './parameters.ts';
import { pinImages } from './pin-images.ts';
import { beginLine, countOf, pruneEntries, selectionOf } from './prune-entries.ts';
import { refreshImages } from './refresh-images.ts';
import * as schemas from './schemas.ts';
import { atMost, type Entry, sendEntries, wantsJson } from './send-entries.ts';
import { failureEntries, registryEntries, registryHeader, wantedEntries } from './state-lists.ts';

const all = (): boolean => true;
const noManifests = 'no manifests found\n';

/** One image or a pattern of them: an empty call is a mistake, and must not be about all. */
const choosing = {
  image: take.word('One image, as clients name it: docker.io/library/alpine:3'),
  pattern: take.pattern('Images by their names'),
};

/** The original's calls, then ours. */
export const adminEndpoints: readonly AdminEndpoint[] = [
  endpoint({
    method: 'GET',
    path: '/cmd/manifest/list',
    about: 'Every cached manifest by its names',
    parameters: { pattern: take.pattern('Only these names'), count: take.count('How many at most') },
    text: '`URL DIGEST CREATED PULLED`, then a line each; digests in the URL are cut to ten digits',
    json: schemas.manifestList,
    answer: async ({ exchange, sources }, { pattern = all, count }) => {
      const pages = atMost(count, manifestEntries(sources, pattern));
      await sendEntries(exchange, { name: 'manifests', header: imageHeader, nothing: noManifests }, pages);
    },
  }),
  endpoint({
    method: 'GET',
    path: '/cmd/image/list',
    about: 'Every cached image that is no index, with its blobs',
    parameters: {
      pattern: take.pattern('Only these names'),
      digest: take.substring('Only where the digest of the image or of one of its blobs has this in it'),
      count: take.count('How many at most'),
    },
    text: 'the same, and behind each line one for each blob: `- sha256:…`, layers, then the config',
    json: schemas.imageList,
    answer: async ({ exchange, sources }, { pattern = all, digest, count }) => {
      const pages = atMost(count, imageEntries(sources, sources.blobsOf, pattern, digest));
      await sendEntries(exchange, { name: 'images', header: imageHeader, nothing: noManifests }, pages);
    },
  }),
  endpoint({
    method: 'GET',
    path: '/cmd/blob/list',
    about: 'Every stored blob, with how many manifests name it',
    parameters: {
      substr: take.substring('Only digests with this in them'),
      count: take.count('How many at most'),
    },
    text: '`URL REFCNT`, then a line each',
    json: schemas.blobList,
    answer: async ({ exchange, sources }, { substr, count }) => {
      const pages = atMost(count, blobEntries(sources, substr));
      await sendEntries(exchange, { name: 'blobs', header: blobHeader, nothing: 'no blobs found\n' }, pages);
    },
  }),
  endpoint({
    method: 'DELETE',
    path: '/cmd/prune',
    about: 'Remove images, or say which ones would be: without `dryRun=false` nothing is removed',
    parameters: {
      type: take.choice('What they go by', ['created', 'accessed', 'pattern']),
      dur: take.age('How long ago they were created or used, for these types'),
      expr: take.pattern('Only these names; needed for the type pattern'),
      count: take.count('How many at most'),
      dryRun: take.flag('Only say what would be removed', true),
    },
    text: 'the lines of the original’s log',
    json: schemas.pruned,
    refusal: 'unable to parse prune params',
    isServed: ({ pruner }) => pruner !== undefined,
    answer: async (call, { dryRun, ...order }) => {
      const { exchange, sources, tell } = call;
      const { pruner, clock } = sources;
      if (pruner === undefined) throw new Error('it is not served');
      const selection = selectionOf(order, clock.now());
      const signal = exchange.waiting;
      if (!dryRun) tell('pruning images', { type: order.type });
      const header = wantsJson(exchange)
        ? ''
        : beginLine(await countOf(pruner, selection, signal), clock.now());
      await sendEntries(
        exchange,
        { members: { dryRun }, name: 'removed', header, nothing: header },
        pruneEntries(pruner, selection, { dryRun, signal, clock }),
      );
    },
  }),
  endpoint({
    method: 'GET',
    path: '/cmd/stop',
    about: 'End the server as SIGTERM does: running downloads may end',
    parameters: {},
    text: 'nothing',
    json: schemas.stopped,
    answer: ({ exchange, who, sources, tell }) => {
      tell('stopping the server');
      const by = `${who}, ${exchange.request.socket.remoteAddress}`;
      exchange.response.once('close', () => sources.stop(by));
      if (wantsJson(exchange)) exchange.sendJson(200, { stopping: true });
      else exchange.send(200, 'text/plain; charset=utf-8', '');
    },
  }),
  pinning('pin', true, 'Keep what these tags point at, whatever else is removed'),
  pinning('unpin', false, 'Keep what these tags point at no longer'),
  endpoint({
    method: 'POST',
    path: '/cmd/image/refresh',
    about:
      'Ask upstream where tags point, however fresh they are, and fetch the manifests that they point at now',
    parameters: choosing,
    text: '`moved`, `unchanged`, `gone` (it is kept here) or `failed`, and the name, a line each',
    json: schemas.refreshed,
    isServed: ({ refresh }) => refresh !== undefined,
    answer: async ({ exchange, sources, tell }, chosen) => {
      const { inventory, clock, refresh } = sources;
      if (refresh === undefined) throw new Error('it is not served');
      const choice = choiceOf(chosen, sources);
      tell('refreshing images');
      const tags = refreshImages(choice, { inventory, clock, refresh }, exchange.waiting);
      const pages = entriesOf(tags, ({ reference, outcome, digest, problem }) => ({
        text: `${outcome} ${reference}${problem === undefined ? '' : `: ${problem}`}\n`,
        object: { reference, outcome, digest, problem: problem ?? null },
      }));
      await sendEntries(exchange, { name: 'tags', header: '', nothing: noManifests }, pages);
    },
  }),
  endpoint({
    method: 'GET',
    path: '/cmd/registry/list',
    about: 'What is cached of each registry, and of all, where what several have counts once',
    parameters: {},
    text: '`REGISTRY MANIFESTS BYTES BLOBS BYTES`, then a line each; `*` is all',
    json: schemas.registryList,
    answer: async ({ exchange, sources }) => {
      const pages = registryEntries(sources.inventory);
      await sendEntries(exchange, { name: 'registries', header: registryHeader, nothing: '' }, pages);
    },
  }),
  endpoint({
    method: 'GET',
    path: '/cmd/fill/list',
    about: 'The blobs that are being fetched now, and how far each is',
    parameters: {},
    text: '`BLOB RECEIVED EXPECTED WANTED`, then a line each; bytes',
    json: schemas.fillList,
    answer: async ({ exchange, sources }) => {
      const pages = fillEntries(sources.fills());
      await sendEntries(
        exchange,
        { name: 'fills', header: fillHeader, nothing: 'nothing is fetched\n' },
        pages,
      );
    },
  }),
  endpoint({
    method: 'GET',
    path: '/cmd/failure/list',
    about: 'The last two hundred failures of this process, with their causes, the latest first',
    parameters: { count: take.count('How many at most') },
    text: 'when, the message, and the cause, a line each',
    json: schemas.failureList,
    answer: async ({ exchange, sources }, { count }) => {
      const pages = atMost(count, failureEntries(sources.failures));
      await sendEntries(exchange, { name: 'failures', header: '', nothing: 'nothing failed\n' }, pages);
    },
  }),
  endpoint({
    method: 'GET',
    path: '/cmd/wanted/list',
    about: 'What clients asked for across an air gap and is not cached',
    parameters: { count: take.count('How many at most', 10_000) },
    text: 'a name a line, as `load` takes it',
    json: schemas.wantedList,
    answer: async ({ exchange, sources }, { count }) => {
      const pages = atMost(count, wantedEntries(sources));
      await sendEntries(exchange, { name: 'wanted', header: '', nothing: '' }, pages);
    },
  }),
  endpoint({
    method: 'GET',
    path: '/cmd/openapi.json',
    about: 'This description (OpenAPI 3.1)',
    parameters: {},
    json: schemas.description,
    answer: ({ exchange, sources }) => {
      exchange.sendJson(200, descriptionOf(servedBy(sources)));
    },
  }),
];

/** Those of which there is what they are answered from. */
export function servedBy(sources: AdminSources): readonly AdminEndpoint[] {
  return adminEndpoints.filter(({ isServed }) => isServed === undefined || isServed(sources));
}

function pinning(name: 'pin' | 'unpin', isPinned: boolean, about: string): AdminEndpoint {
  return endpoint({
    method: 'POST',
    path: `/cmd/image/${name}`,
    about,
    parameters: choosing,
    text: `\`${name}ned\` and the name, a line each`,
    json: schemas.pinned,
    answer: async ({ exchange, sources, tell }, chosen) => {
      const choice = choiceOf(chosen, sources);
      tell(`${name}ning images`);
      const pages = entriesOf(pinImages({ ...choice, isPinned }, sources), (tag) => ({
        text: `${name}ned ${tag.reference}\n`,
        object: { reference: tag.reference, pinned: isPinned, changed: tag.hasChanged },
      }));
      await sendEntries(exchange, { name: 'tags', header: '', nothing: noManifests }, pages);
    },
  });
}

/** Throws BadParameter where neither is given, or both are. */
function choiceOf({ image, pattern }: take.ValuesOf<typeof choosing>, { imageNamed }: AdminSources): Choice {
  if ((image === undefined) === (pattern === undefined))
    throw new take.BadParameter('either image or pattern must be given');
  if (pattern !== undefined) return { matches: pattern };
  const named = parsed(image ?? '', imageNamed);
  const text = imageText(named);
  return { matches: (name) => name === text, only: named.repository };
}

function parsed(text: string, imageNamed: AdminSources['imageNamed']) {
  try {
    return imageNamed(text);
  } catch (error) {
    throw error instanceof RegistryError ? new take.BadParameter(`image: ${error.message}`) : error;
  }
}

async function* entriesOf<Item>(
  pages: AsyncIterable<readonly Item[]>,
  entryOf: (item: Item) => Entry,
): AsyncGenerator<readonly Entry[]> {
  for await (const page of pages) yield page.map(entryOf);
}
