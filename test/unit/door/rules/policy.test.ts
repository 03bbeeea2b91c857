import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DigestPolicy } from '#src/door/rules/digest-policy.ts';
import { Policy, type PolicyRule } from '#src/door/rules/policy.ts';
import { digestLike } from '#src/oci/digest.ts';
import { canonicalRepository } from '#src/oci/docker-hub.ts';
import {
  hostedHost,
  parseDigest,
  parseRegistryHost,
  parseTag,
  type RepositoryName,
  repositoryName,
  type Tag,
} from '#src/oci/reference.ts';
import { repository } from '#test/fakes/cache-under-test.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';

const alpine = repository('docker.io/library/alpine');
const quay = repository('quay.io/a/b');
const app = repositoryName(hostedHost, 'apps/web');
/** As a client writes the registry. */
const spelled = (name: string): RepositoryName => {
  const slash = name.indexOf('/');
  return canonicalRepository(parseRegistryHost(name.slice(0, slash)), name.slice(slash + 1));
};
const [v1, dev] = ['v1', 'v1-dev'].map(parseTag) as [Tag, Tag];
const digest = parseDigest(`sha256:${'1'.repeat(64)}`);

const noDev: PolicyRule = { name: 'no-dev', repositories: ['docker.io/**:*-dev'], effect: 'deny' };

describe('a policy', () => {
  it('keeps back what its first match denies, and lets pass what nothing matches', () => {
    const policy = new Policy([
      { name: 'ours', repositories: ['docker.io/library/*:v1-dev'], effect: 'allow' },
      noDev,
      { name: 'no-quay', repositories: ['quay.io/**'], effect: 'deny' },
    ]);
    assert.deepEqual(policy.ofTag(alpine, dev), { allowed: true, rule: 'ours' });
    assert.deepEqual(policy.ofTag(repository('docker.io/acme/x'), dev), { allowed: false, rule: 'no-dev' });
    assert.deepEqual(policy.ofTag(alpine, v1), { allowed: true, rule: undefined });
    assert.deepEqual(policy.ofName(quay), { allowed: false, rule: 'no-quay' });
    assert.deepEqual(policy.ofTag(quay, v1), { allowed: false, rule: 'no-quay' });
  });

  it('lets pass without a tag what could pass by some tag', () => {
    const onlyReleases = new Policy([
      { name: 'releases', repositories: ['docker.io/**:v*'], effect: 'allow' },
      { name: 'rest', repositories: ['**'], effect: 'deny' },
    ]);
    assert.deepEqual(onlyReleases.ofName(alpine), { allowed: true, rule: 'releases' });
    assert.deepEqual(onlyReleases.ofTag(alpine, parseTag('latest')), { allowed: false, rule: 'rest' });
    assert.deepEqual(onlyReleases.ofName(quay), { allowed: false, rule: 'rest' });
    assert.equal(new Policy([noDev]).ofName(alpine).allowed, true);
  });

  for (const name of [
    'quay.io:443/a/b',
    'quay.io:0443/a/b',
    'registry-1.docker.io:443/library/alpine',
    'docker.io:00443/alpine',
    'localhost:05000/a',
    'localhost:5000/a',
  ])
    it(`is about a registry however it is written: ${name}`, () => {
      for (const patterns of [
        ['quay.io/**', 'docker.io/library/*', 'localhost:5000/**'],
        ['quay.io:443/**', 'docker.io:443/library/*', 'localhost:05000/*'],
        ['quay.io/**:v*', 'docker.io:443/library/alpine:v*', '*:5000/a:v1'],
      ]) {
        const policy = new Policy([{ name: 'x', repositories: patterns, effect: 'deny' }]);
        assert.equal(policy.ofTag(spelled(name), v1).allowed, false);
        assert.equal(policy.ofTag(spelled('quay.io:8443/a/b'), v1).allowed, true);
      }
    });

  it('is about names as people say them', () => {
    const policy = new Policy([{ name: 'x', repositories: ['apps/**'], effect: 'deny' }]);
    assert.equal(policy.ofName(app).allowed, false);
    assert.equal(policy.ofName(repository('docker.io/apps/web')).allowed, true);
  });
});

describe('a policy, asked about a digest', () => {
  function made(tags: () => readonly Tag[]) {
    const clock = new FakeClock();
    const asked: string[] = [];
    const policy = new DigestPolicy(
      new Policy([noDev, { name: 'no-quay', repositories: ['quay.io/**'], effect: 'deny' }]),
      async (name, of) => {
        asked.push(`${name}@${of}`);
        return tags();
      },
      clock,
    );
    return { policy, clock, asked };
  }

  it('keeps back what only tags lead to that may not pass', async () => {
    const { policy } = made(() => [dev, parseTag('v2-dev')]);
    assert.deepEqual(await policy.ofDigest(alpine, digest), { allowed: false, rule: 'no-dev' });
  });

  it('lets pass what one that may leads to too, and what nobody knows of', async () => {
    for (const tags of [[dev, v1], []]) {
      const { policy } = made(() => tags);
      assert.equal((await policy.ofDigest(alpine, digest)).allowed, true);
    }
  });

  it('keeps it back by the tags of the usual name where its registry is written otherwise', async () => {
    const policy = new DigestPolicy(
      new Policy([noDev]),
      async (name) => (name === alpine ? [dev] : []),
      new FakeClock(),
    );
    const { allowed } = await policy.ofDigest(spelled('registry-1.docker.io:443/library/alpine'), digest);
    assert.equal(allowed, false);
  });

  it('looks nothing up where no tag decides', async () => {
    const { policy, asked } = made(() => [dev]);
    assert.deepEqual(policy.ofDigest(quay, digest), { allowed: false, rule: 'no-quay' });
    assert.deepEqual(policy.ofDigest(repository('ghcr.io/a/b'), digest), { allowed: true, rule: undefined });
    assert.deepEqual(asked, []);
  });

  it('knows for ten seconds what it has found, and then looks again, since a tag may have moved', async () => {
    let tags = [dev];
    const { policy, clock, asked } = made(() => tags);
    await policy.ofDigest(alpine, digest);
    tags = [v1];
    // At once: nobody waits for it.
    assert.deepEqual(policy.ofDigest(alpine, digest), { allowed: false, rule: 'no-dev' });
    await clock.advance(10_000);
    assert.equal((await policy.ofDigest(alpine, digest)).allowed, true);
    assert.equal(asked.length, 2);
  });

  it('lets pass what a tag that may pass was just answered with, which may not be on record yet', async () => {
    const { policy, clock } = made(() => [dev]);
    assert.equal((await policy.ofDigest(alpine, digest)).allowed, false);
    policy.passed(alpine, digest);
    assert.equal((await policy.ofDigest(alpine, digest)).allowed, true);
    assert.equal((await policy.ofDigest(repository('docker.io/acme/x'), digest)).allowed, false);
    assert.equal((await policy.ofDigest(alpine, digestLike(digest, Buffer.from('x')))).allowed, false);
    await clock.advance(600_000);
    assert.equal((await policy.ofDigest(alpine, digest)).allowed, false);
  });
});
