import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DockerRegistry } from '../e2e/support/docker-registry.ts';
import { Ociregistry } from '../e2e/support/ociregistry.ts';
import { components } from '../setup/components.ts';
import { installComponents } from '../setup/install.ts';
import { type Comparison, failed, type Held, heldTable, lost, table } from './comparison.ts';
import { readOnlyContent } from './content.ts';
import { SplitProxy } from './split-proxy.ts';
import { deletes, type Results, runSuite } from './suite.ts';

/**
 * `npm run test:conformance`: the OCI conformance suite against Debian’s docker-registry, directly and through this server.
 * What passes directly must pass through us: with what is pushed meanwhile, with what is there, and from the cache alone. And against this
 * server as the registry that holds it all, directly and through another of ours: nothing fails.
 */
const reports = join(import.meta.dirname, '../../.cache/conformance');

const readOnly = {
  API_PUSH: 'false',
  // Without it the suite does not survive the writing of its report in this mode.
  FILTER_TEST: 'OCI Conformance Test/read-only',
  // Of content that it did not push itself it does not look at the answer for this header, and misses it.
  API_MANIFESTS_DIGEST_HEADER: 'false',
};

async function compare(version: string): Promise<Comparison[]> {
  await using upstream = await DockerRegistry.start();
  await using server = await Ociregistry.start({ settings: settingsFor(upstream.host) });
  const run = async (
    name: string,
    host: string,
    settings: Readonly<Record<string, string>>,
  ): Promise<Results> => {
    const folder = join(reports, `${version} ${name}`);
    await mkdir(folder, { recursive: true });
    return await runSuite(host, folder, { VERSION: version, ...settings });
  };
  await using proxy = await SplitProxy.start(server.host, upstream.host);
  const direct = await run('direct', upstream.host, repositories('direct'));
  const through = await run('through', proxy.host, repositories('through'));

  const { REPO1 } = repositories('through');
  const content = { ...readOnly, ...repositories('through'), ...readOnlyContent(proxy.served, REPO1) };
  const readDirectly = await run('read-only direct', upstream.host, content);
  const readThrough = await run('read-only through', server.host, content);
  await upstream.stop();
  await server.stop('SIGTERM');
  await server.startAgain();
  const readFromCache = await run('read-only from the cache', server.host, content);
  return [
    { name: version, direct, through },
    { name: `${version}, read-only`, direct: readDirectly, through: readThrough },
    { name: `${version}, read-only, upstream stopped`, direct: readDirectly, through: readFromCache },
  ];
}

/**
 * Our own server holds what is pushed: all of the suite, deletes too; and read through another of ours in front of it, where nothing is deleted, since that
 * keeps what it has.
 */
async function hold(version: string): Promise<Held[]> {
  await using hosted = await Ociregistry.start({
    settings: { hosted: [{ repositories: ['**'], open: true }] },
  });
  await using cache = await Ociregistry.start({ settings: settingsFor(hosted.host) });
  await using proxy = await SplitProxy.start(cache.host, hosted.host);
  const run = async (
    name: string,
    host: string,
    settings: Readonly<Record<string, string>>,
  ): Promise<Held> => {
    const folder = join(reports, `${version} ${name}`);
    await mkdir(folder, { recursive: true });
    return {
      name: `${version}, ${name}`,
      results: await runSuite(host, folder, { VERSION: version, ...settings }),
    };
  };
  return [
    await run('hosted', hosted.host, { ...deletes, ...repositories('hosted') }),
    await run('hosted, through a cache', proxy.host, repositories('cached')),
  ];
}

/** Each tag is asked for again, nothing absent is remembered: the suite changes what it reads. */
function settingsFor(upstream: string) {
  return {
    defaultNs: upstream,
    registries: [{ name: upstream, scheme: 'http' }],
    cache: { freshness: 'always', negativeTtl: '0s', complete: true },
  };
}

function repositories(prefix: string) {
  return { REPO1: `${prefix}/one`, REPO2: `${prefix}/two` };
}

const names = ['docker-registry', 'conformance'];
for (const failure of installComponents(components.filter(({ name }) => names.includes(name))))
  console.error(failure);
await rm(reports, { recursive: true, force: true });
const comparisons = [...(await compare('stable')), ...(await compare('dev'))];
console.log(table(comparisons));
for (const comparison of comparisons) {
  for (const test of lost(comparison)) console.log(`lost: ${comparison.name}: ${test}`);
}
const held = [...(await hold('stable')), ...(await hold('dev'))];
console.log(heldTable(held));
for (const one of held) {
  for (const test of failed(one)) console.log(`failed: ${one.name}: ${test}`);
}
const isWorse = comparisons.some((comparison) => lost(comparison).length > 0);
if (isWorse || held.some((one) => failed(one).length > 0)) process.exitCode = 1;
