import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SocketLimit } from '#src/net/dial/socket-limit.ts';

describe('the sockets to upstreams', () => {
  it('are so many at a time; then it is as if the process had no file left', () => {
    const sockets = new SocketLimit(2);
    const first = sockets.take();
    sockets.take();
    assert.throws(() => sockets.take(), { code: 'EMFILE' });
    first[Symbol.dispose]();
    first[Symbol.dispose]();
    sockets.take();
    assert.throws(() => sockets.take(), { code: 'EMFILE' });
  });

  it('that are kept unused make room, the one that was used the longest ago first', () => {
    const sockets = new SocketLimit(2);
    const closed: string[] = [];
    const open = (name: string) => {
      const place = sockets.take();
      return {
        [Symbol.dispose]() {
          closed.push(name);
          place[Symbol.dispose]();
        },
      };
    };
    const [one, other] = [open('one'), open('other')];
    sockets.unused(other);
    sockets.unused(one);
    open('third');
    assert.deepEqual(closed, ['other']);
    sockets.taken(one);
    assert.throws(() => open('fourth'), { code: 'EMFILE' });
    assert.deepEqual(closed, ['other']);
  });

  it('have a reserve where all are taken, which transfers do not get', () => {
    const sockets = new SocketLimit(2, 1);
    const transfers = [sockets.take(), sockets.take()];
    const question = sockets.reserve.take();
    assert.throws(() => sockets.take(), { code: 'EMFILE' });
    assert.throws(() => sockets.reserve.take(), { code: 'EMFILE' });
    transfers[0]?.[Symbol.dispose]();
    assert.throws(() => sockets.take(), { code: 'EMFILE' });
    question[Symbol.dispose]();
    sockets.take();
  });

  it('are taken by questions too, where there are any', () => {
    const sockets = new SocketLimit(1, 1);
    const question = sockets.reserve.take();
    assert.throws(() => sockets.take(), { code: 'EMFILE' });
    question[Symbol.dispose]();
    sockets.take();
  });
});
