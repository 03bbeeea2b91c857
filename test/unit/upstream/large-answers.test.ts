import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { Claim } from '#src/base/claim.ts';
import { largeAnswers, Room } from '#src/base/room.ts';
import { sha256 } from '#src/oci/digest.ts';
import { RegistryError } from '#src/oci/error.ts';
import { ociIndex } from '#src/oci/media-type.ts';
import { parseTag } from '#src/oci/reference.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { bytes, putImage } from '#test/fakes/images.ts';
import { gate } from '#test/fakes/scripted-registry.ts';
import { content } from '#test/fakes/upstream-answers.ts';
import { on, stalledAfter } from '#test/fakes/upstream-faults.ts';
import { UpstreamUnderTest } from '#test/fakes/upstream-under-test.ts';

const mebibyte = 1024 * 1024;
const page = `{"tags":["v1"],"padding":"${'x'.repeat(7 * mebibyte)}"}`;
const small = '{"tags":["v1"]}';
const v1 = [parseTag('v1')];

const turn = async (): Promise<void> => await new Promise((resolve) => setImmediate(resolve));

/** An upstream whose lists have megabytes, and how often it was asked for one. */
async function lists(body = page) {
  const made = await UpstreamUnderTest.start();
  putImage(made.upstream.content, made.name, 'v1', [bytes(10)]);
  made.spoil(on(/tags\/list/, () => content(body, 'application/json')));
  const asked = (): number => made.upstream.requests.filter(({ path }) => path.includes('tags/list')).length;
  return { made, asked };
}

/** A room that is full, with the time for which others wait for it. */
function fullRoom() {
  const clock = new FakeClock();
  const room = new Room({ clock, most: 100 * mebibyte, mostOfOne: 100 * mebibyte });
  room.force('x', 100 * mebibyte);
  return { clock, room };
}

describe('lists and manifests of megabytes', () => {
  it('wait for room, and what is small does not wait for them', { timeout: 60_000 }, async () => {
    const { made, asked } = await lists();
    await using _ = made;
    const rest = gate();
    const list = on(/tags\/list/, () => content(page, 'application/json'));
    made.spoil(on(/tags\/list/, stalledAfter(page.length - 100, rest.wait)), list);
    const names = Array.from({ length: 8 }, (_unused, at) => made.upstream.repository(`team/app${at}`));
    const reading = names.map(async (name) => (await made.registry.listTags(name)).tags);
    while (largeAnswers.waiting < 5) await turn();
    await made.registry.getManifest(made.name, parseTag('v1'));
    assert.equal(asked(), 8);
    rest.open();
    for (const tags of await Promise.all(reading)) assert.deepEqual(tags, v1);
    // Who waits keeps no connection: it asks again.
    assert.deepEqual([asked(), made.oddities, largeAnswers.taken], [13, [], 0]);
  });

  it('that find none in time are refused, and were asked for once', async () => {
    const { made, asked } = await lists();
    await using _ = made;
    const { clock, room } = fullRoom();
    const reading = made.registry.listTags(made.name, { room: new Claim('a', room) });
    const refused = assert.rejects(reading, (error) => {
      assert.ok(error instanceof RegistryError);
      assert.deepEqual([error.status, error.headers['Retry-After']], [503, '1']);
      return true;
    });
    while (room.waiting === 0) await turn();
    await clock.advance(10_000);
    await refused;
    assert.deepEqual([asked(), made.oddities, room.taken], [1, [], 100 * mebibyte]);
  });

  it('are not read before there is room, and stay counted as long as somebody has a share', async () => {
    const { made } = await lists();
    await using _ = made;
    const { room } = fullRoom();
    const claim = new Claim('a', room);
    const share = claim.share();
    const reading = made.registry.listTags(made.name, { room: claim });
    while (room.waiting === 0) await turn();
    room.giveBack('x', 100 * mebibyte);
    assert.deepEqual((await reading).tags, v1);
    assert.ok(room.taken > 2 * page.length, String(room.taken));
    share[Symbol.dispose]();
    assert.equal(room.taken, 0);
  });

  it('wait also where a few bytes are said to be decoded to more', async () => {
    const { made } = await lists();
    await using _ = made;
    const packed = gzipSync(page);
    made.spoil(on(/tags\/list/, () => content(packed, 'application/json', { 'Content-Encoding': 'gzip' })));
    const { room } = fullRoom();
    const reading = made.registry.listTags(made.name, { room: new Claim('a', room) });
    while (room.waiting === 0) await turn();
    room.giveBack('x', 100 * mebibyte);
    assert.deepEqual((await reading).tags, v1);
  });

  it('of referrers are refused where a later page finds no room: what is left out would say that nothing else is there', async () => {
    const { made } = await lists();
    await using _ = made;
    const subject = sha256(bytes(10));
    const index = (padding: string): string =>
      JSON.stringify({ schemaVersion: 2, mediaType: ociIndex, manifests: [], annotations: { padding } });
    made.spoil(
      on(/referrers/, ({ query }) =>
        query.includes('page=2')
          ? content(index('x'.repeat(mebibyte)), ociIndex)
          : content(index(''), ociIndex, { Link: '</v2/?page=2>; rel="next"' }),
      ),
    );
    const { clock, room } = fullRoom();
    const reading = made.registry.listReferrers(made.name, subject, { room: new Claim('a', room) });
    const refused = assert.rejects(reading, { status: 503 });
    while (room.waiting === 0) await turn();
    await clock.advance(10_000);
    await refused;
  });

  it('of some hundred bytes neither wait nor are counted', async () => {
    const { made } = await lists(small);
    await using _ = made;
    const { room } = fullRoom();
    const claim = new Claim('a', room);
    assert.deepEqual((await made.registry.listTags(made.name, { room: claim })).tags, v1);
    assert.deepEqual([room.taken, room.waiting, claim.isSmall], [100 * mebibyte, 0, true]);
  });
});
