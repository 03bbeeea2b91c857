import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Descriptor } from '#src/oci/descriptor.ts';
import { ociIndex, ociManifest } from '#src/oci/media-type.ts';
import { parseDigest, parseTag } from '#src/oci/reference.ts';
import { putImage } from '#test/fakes/images.ts';
import { content, json } from '#test/fakes/upstream-answers.ts';
import { failing, gzipped, headers, html, on } from '#test/fakes/upstream-faults.ts';
import { UpstreamUnderTest } from '#test/fakes/upstream-under-test.ts';

const path = '/v2/library/alpine/tags/list';

async function start(...tags: string[]) {
  const made = await UpstreamUnderTest.start();
  for (const tag of tags) putImage(made.upstream.content, made.name, tag, []);
  return made;
}

/** Serves pages of one tag, with a Link made by the test. */
function pages(made: UpstreamUnderTest, link: (last: string, made: UpstreamUnderTest) => string): void {
  made.spoil(async (request, next) => {
    const last = new URLSearchParams(request.query).get('last');
    const answer = await next();
    const { tags } = JSON.parse(String([...(answer.body as Iterable<Buffer>)][0])) as { tags: string[] };
    const [tag] = tags;
    if (tag === undefined || tag === last) return json({ tags: null });
    return json({ tags: [tag] }, 200, { Link: link(tag, made) });
  });
}

describe('the tags of a repository', () => {
  it('come each once, a thousand at a time', async () => {
    await using made = await start('b', 'a', 'C', 'v1.10', 'v1.9');
    assert.deepEqual((await made.registry.listTags(made.name)).tags, ['C', 'a', 'b', 'v1.10', 'v1.9']);
    assert.deepEqual(made.upstream.calls, [`GET ${path}?n=1000`]);
  });

  for (const [what, link] of [
    ['relative', (last) => `<${path}?last=${last}>; rel="next"`],
    ['relative to the page', (last) => `<list?last=${last}>; rel=next`],
    ['absolute', (last, { upstream }) => `<${upstream.origin}${path}?last=${last}>; rel="next"`],
    [
      'to a wrong host and scheme',
      (last) => `<https://internal.invalid:9/${path.slice(1)}?last=${last}>; rel="next"`,
    ],
    ['to a metadata service', (last) => `<http://169.254.169.254${path}?last=${last}>; rel="next"`],
  ] as [string, Parameters<typeof pages>[1]][]) {
    it(`are read by a link that is ${what}, from upstream alone`, async () => {
      await using made = await start('a', 'b', 'c');
      pages(made, link);
      assert.deepEqual((await made.registry.listTags(made.name)).tags, ['a', 'b', 'c']);
      assert.deepEqual(
        made.upstream.calls,
        ['n=1000', 'last=a', 'last=b', 'last=c'].map((query) => `GET ${path}?${query}`),
      );
    });
  }

  it('go on behind the last one where a link leads in a circle, or nowhere, and then they end and say so', async () => {
    await using made = await start('a');
    for (const [link, calls, cut] of [
      [`<${path}?last=x>; rel="next"`, 2, 'failed'],
      [`<${path}?n=1000>; rel="next"`, 2, 'failed'],
      ['</elsewhere>; rel="next"', 2, 'failed'],
      ['<http://[>; rel="next"', 2, 'failed'],
      ['<>; rel="prev"', 1, undefined],
    ] as const) {
      made.upstream.requests.length = 0;
      made.spoil(headers({ Link: link }), () => json({ tags: ['a'] }));
      const list = await made.registry.listTags(made.name);
      assert.deepEqual(list, { tags: ['a'], hasMore: false, cut });
      assert.equal(made.upstream.calls.length, calls, link);
    }
  });

  it('are an error, and not none, where an empty page has a next one that is not there', async () => {
    await using made = await start();
    for (const [link, status] of [
      ['</elsewhere?page=2>; rel="next"', 404],
      ['</elsewhere?page=2>; rel="next"', 500],
      ['<http://[>; rel="next"', 200],
    ] as const) {
      made.spoil(async (request, next) =>
        request.query.includes('page=')
          ? await failing(status)(request, next)
          : json({ tags: [] }, 200, { Link: link }),
      );
      await assert.rejects(made.registry.listTags(made.name), { status: 502 }, link);
    }
  });

  it('end after a hundred pages, and that is reported', async () => {
    await using made = await start();
    let page = 0;
    made.spoil(() => {
      page += 1;
      return json({ tags: [`t${page}`] }, 200, { Link: `<${path}?page=${page}>; rel="next"` });
    });
    const list = await made.registry.listTags(made.name);
    assert.deepEqual([list.tags.length, list.hasMore, list.cut], [100, true, 'bounded']);
    assert.deepEqual(made.oddities, ['upstream has more pages than are read']);
  });

  it('are none where upstream says null, and without what is no tag', async () => {
    await using made = await start();
    for (const [body, want] of [
      [{ tags: null }, []],
      [{}, []],
      [null, []],
      [{ tags: 'latest' }, []],
      [
        { tags: ['b', null, '', 5, 'a b', 'sha256:abc', 'sha256-abc.sig', 'b', {}, 'a'] },
        ['b', 'sha256-abc.sig', 'a'],
      ],
    ] as const) {
      made.spoil(() => json(body));
      assert.deepEqual((await made.registry.listTags(made.name)).tags, want);
    }
  });

  it('are unpacked where they were packed', async () => {
    await using made = await start('a');
    made.spoil(gzipped);
    assert.deepEqual((await made.registry.listTags(made.name)).tags, ['a']);
  });

  it('that are no JSON, or beyond measure, are refused', async () => {
    await using made = await start();
    for (const fault of [html(), () => content(`["${'x'.repeat(9 * 1024 * 1024)}"]`, 'application/json')]) {
      made.spoil(fault);
      await assert.rejects(made.registry.listTags(made.name), { code: 'UNAVAILABLE', status: 502 });
    }
  });

  it('of an unknown repository are NAME_UNKNOWN', async () => {
    await using made = await start();
    await assert.rejects(made.registry.listTags(made.name), { code: 'NAME_UNKNOWN', status: 404 });
  });
});

describe('what refers to a manifest', () => {
  async function signed() {
    const made = await start();
    const { manifest: subject } = putImage(made.upstream.content, made.name, 'v1', []);
    const signature = {
      schemaVersion: 2,
      mediaType: ociManifest,
      artifactType: 'application/x-signature',
      subject,
    };
    const { digest, size } = made.upstream.content.putManifest(
      made.name,
      undefined,
      Buffer.from(JSON.stringify({ ...signature, annotations: { by: 'us' }, layers: [] })),
      ociManifest,
    );
    const want = {
      mediaType: ociManifest,
      digest,
      size,
      artifactType: 'application/x-signature',
      annotations: { by: 'us' },
    };
    return { made, subject, want, [Symbol.asyncDispose]: async () => await made[Symbol.asyncDispose]() };
  }

  it('is what upstream’s list says', async () => {
    await using test = await signed();
    const { made, subject, want } = test;
    assert.deepEqual((await made.registry.listReferrers(made.name, subject.digest)).referrers, [want]);
    assert.deepEqual(made.upstream.calls, [`GET /v2/library/alpine/referrers/${subject.digest}`]);
  });

  it('is read page by page', async () => {
    await using test = await signed();
    const { made, subject, want } = test;
    const url = `/v2/library/alpine/referrers/${subject.digest}`;
    const other: Descriptor = { ...want, digest: parseDigest(`sha256:${'5'.repeat(64)}`) };
    made.spoil(({ query }) =>
      query === ''
        ? json({ manifests: [want] }, 200, { 'Content-Type': ociIndex, Link: `<${url}?page=2>; rel="next"` })
        : json({ manifests: [want, other, { digest: 'nonsense' }, null] }, 200, { 'Content-Type': ociIndex }),
    );
    assert.deepEqual((await made.registry.listReferrers(made.name, subject.digest)).referrers, [want, other]);
  });

  for (const [what, fault] of [
    ['404', failing(404)],
    ['400', failing(400)],
    ['405', failing(405)],
    ['406', failing(406)],
    ['a web page', html()],
    ['other JSON', () => json({})],
  ] as const) {
    it(`is what the tag of the digest says where upstream answers ${what}`, async () => {
      await using test = await signed();
      const { made, subject, want } = test;
      const index = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: ociIndex, manifests: [want] }));
      const tag = parseTag(subject.digest.replace(':', '-'));
      made.upstream.content.putManifest(made.name, tag, index, ociIndex);
      made.spoil(on(/referrers/, fault));
      assert.deepEqual((await made.registry.listReferrers(made.name, subject.digest)).referrers, [want]);
      assert.deepEqual(made.upstream.calls.slice(1), [`GET /v2/library/alpine/manifests/${tag}`]);
      made.upstream.content.deleteTag(made.name, tag);
      assert.deepEqual((await made.registry.listReferrers(made.name, subject.digest)).referrers, []);
    });
  }

  it('is nothing where the tag of the digest is no index', async () => {
    await using test = await signed();
    const { made, subject } = test;
    putImage(made.upstream.content, made.name, subject.digest.replace(':', '-'), []);
    made.spoil(on(/referrers/, failing(404)));
    assert.deepEqual((await made.registry.listReferrers(made.name, subject.digest)).referrers, []);
  });

  /** An index of two platforms, whose tag is its own digest, and one that is signed. */
  async function multiPlatform() {
    const test = await signed();
    const { made, want } = test;
    const child = (architecture: string) => {
      const { manifest } = putImage(made.upstream.content, made.name, architecture, []);
      return { ...manifest, platform: { os: 'linux', architecture } };
    };
    const manifests = [child('amd64'), child('arm64')];
    const index = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: ociIndex, manifests }));
    const subject = made.upstream.content.putManifest(made.name, parseTag('index'), index, ociIndex);
    const tagged = (content: Uint8Array, of = subject) =>
      made.upstream.content.putManifest(made.name, parseTag(of.digest.replace(':', '-')), content, ociIndex);
    return { ...test, index, manifests, subject, tagged, want };
  }

  it('is nothing where the tag of the digest leads to the subject itself', async () => {
    await using test = await multiPlatform();
    const { made, subject, index, tagged } = test;
    tagged(index);
    made.spoil(on(/referrers/, failing(404)));
    const list = await made.registry.listReferrers(made.name, subject.digest);
    assert.deepEqual(list.referrers, []);
    assert.equal(made.upstream.calls.length, 2);
  });

  it('is nothing of an image’s platforms, but what names its artifact type, wherever the tag leads', async () => {
    await using test = await multiPlatform();
    const { made, subject, manifests, tagged, want } = test;
    const attached = { ...want, platform: { os: 'linux', architecture: 'amd64' } };
    tagged(Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [...manifests, subject, attached] })));
    made.spoil(on(/referrers/, failing(404)));
    assert.deepEqual((await made.registry.listReferrers(made.name, subject.digest)).referrers, [want]);
  });

  it('is what the tag says where upstream’s list is the subject itself', async () => {
    await using test = await multiPlatform();
    const { made, subject, index, tagged, want } = test;
    tagged(Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [want] })));
    made.spoil(on(/referrers/, () => content(index, ociIndex)));
    assert.deepEqual((await made.registry.listReferrers(made.name, subject.digest)).referrers, [want]);
  });

  it('is nothing of a list about another subject', async () => {
    await using test = await signed();
    const { made, subject, want } = test;
    for (const [about, referrers] of [
      [want, []],
      [subject, [want]],
    ] as const) {
      made.spoil(() => json({ manifests: [want], subject: about }, 200, { 'Content-Type': ociIndex }));
      assert.deepEqual((await made.registry.listReferrers(made.name, subject.digest)).referrers, referrers);
    }
  });

  for (const [what, fault] of [
    ['500', failing(500)],
    ['404', failing(404)],
    ['a web page', html()],
  ] as const) {
    it(`is a part where a later page is ${what}, and says so`, async () => {
      await using test = await signed();
      const { made, subject, want } = test;
      const url = `/v2/library/alpine/referrers/${subject.digest}`;
      const first = { 'Content-Type': ociIndex, Link: '</elsewhere?page=2>; rel="next"' };
      made.spoil(async (request, next) =>
        request.query === '' ? json({ manifests: [want] }, 200, first) : await fault(request, next),
      );
      const list = await made.registry.listReferrers(made.name, subject.digest);
      assert.deepEqual(list, { referrers: [want], cut: 'failed' });
      assert.equal(made.upstream.calls[1], `GET ${url}?page=2`);
      assert.deepEqual(made.oddities, ['a list of upstream broke off']);
    });
  }

  for (const [what, status] of [
    ['500', 502],
    ['429', 429],
    ['404', 502],
  ] as const) {
    it(`is an error, and not none, where the first page is empty and the next is ${what}`, async () => {
      await using test = await signed();
      const { made, subject } = test;
      const first = { 'Content-Type': ociIndex, Link: '</elsewhere?page=2>; rel="next"' };
      made.spoil(async (request, next) =>
        request.query === ''
          ? json({ manifests: [] }, 200, first)
          : await failing(Number(what))(request, next),
      );
      await assert.rejects(made.registry.listReferrers(made.name, subject.digest), { status });
    });
  }

  it('is an error where an empty page has a next one and does not say where', async () => {
    await using test = await signed();
    const { made, subject } = test;
    made.spoil(() =>
      json({ manifests: [] }, 200, { 'Content-Type': ociIndex, Link: '<http://[>; rel="next"' }),
    );
    await assert.rejects(made.registry.listReferrers(made.name, subject.digest), { status: 502 });
  });

  it('is a part where there are more pages than are read, or the way to the next is not told', async () => {
    await using test = await signed();
    const { made, subject, want } = test;
    let link = '';
    made.spoil(() => json({ manifests: [want] }, 200, { 'Content-Type': ociIndex, Link: link }));
    link = '<http://[>; rel="next"';
    assert.equal((await made.registry.listReferrers(made.name, subject.digest)).cut, 'failed');
    let page = 0;
    made.spoil(() => {
      page += 1;
      return json({ manifests: [want] }, 200, { 'Content-Type': ociIndex, Link: `<?p=${page}>; rel="next"` });
    });
    assert.equal((await made.registry.listReferrers(made.name, subject.digest)).cut, 'bounded');
    assert.equal(page, 100);
  });

  it('is a part where there are more than are read, on one page or behind the tag of the digest', async () => {
    await using test = await signed();
    const { made, subject, want } = test;
    const manifests = Array.from({ length: 10_500 }, (_, at) => ({
      ...want,
      digest: `sha256:${String(at).padStart(64, '0')}`,
    }));
    const index = { 'Content-Type': ociIndex };
    const whole = () => json({ manifests }, 200, index);
    for (const faults of [[whole], [on(/referrers/, failing(404)), whole]]) {
      made.spoil(...faults);
      const { referrers, cut } = await made.registry.listReferrers(made.name, subject.digest);
      assert.deepEqual([referrers.length, cut], [10_000, 'bounded']);
      assert.deepEqual(referrers[0], manifests[0]);
    }
  });

  it('is an error where what the tag of the digest leads to is no manifest', async () => {
    await using test = await signed();
    const { made, subject } = test;
    made.spoil(on(/referrers/, failing(404)), () => json({ errors: [] }));
    await assert.rejects(made.registry.listReferrers(made.name, subject.digest), {
      code: 'UNAVAILABLE',
      status: 502,
    });
  });

  it('is an error where upstream fails', async () => {
    await using test = await signed();
    const { made, subject } = test;
    made.spoil(failing(500));
    await assert.rejects(made.registry.listReferrers(made.name, subject.digest), { code: 'UNAVAILABLE' });
    made.spoil(failing(401));
    await assert.rejects(made.registry.listReferrers(made.name, subject.digest), { code: 'DENIED' });
  });
});
