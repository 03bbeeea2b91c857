import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SignIn } from '#src/door/grants/sign-in.ts';
import { stampOf } from '#src/door/tokens/password-stamp.ts';
import type { Exchange } from '#src/http/exchange/exchange.ts';

const exchange = {} as Exchange;

/** A file of users that may change while a password is looked at. */
function users(hash: string | undefined) {
  const file = { hash, looks: 0, meanwhile: (): void => {} };
  const signIn = new SignIn({
    identification: {
      identify: async ({ authorization = '' }, refuse) => {
        file.looks += 1;
        const { hash: before } = file;
        await Promise.resolve();
        file.meanwhile();
        const shown = Buffer.from(authorization.slice(6), 'base64').toString();
        if (before === undefined || shown !== `alice:${before}`) throw refuse('basic', 'wrong');
        return { id: 'alice', by: 'password', groups: [], address: undefined };
      },
    },
    hashOf: () => file.hash,
    lookAgain: async () => file.meanwhile(),
    addressOf: () => undefined,
  });
  return { file, signIn };
}

describe('a user who signs in', () => {
  it('has the stamp of the password that he showed', async () => {
    const { signIn } = users('a');
    assert.deepEqual(await signIn.user(exchange, 'alice', 'a'), { name: 'alice', stamp: stampOf('a') });
    assert.equal(await signIn.user(exchange, 'alice', 'b'), undefined);
  });

  it('has never that of another, which he has had since', async () => {
    const { file, signIn } = users('a');
    file.meanwhile = () => {
      file.hash = 'b';
    };
    assert.equal(await signIn.user(exchange, 'alice', 'a'), undefined);
    assert.equal(file.looks, 2);
    file.hash = 'a';
    file.meanwhile = () => {
      file.hash = undefined;
    };
    assert.equal(await signIn.user(exchange, 'alice', 'a'), undefined);
  });

  it('is nobody by a name that no header can show, and is not looked at', async () => {
    const { file, signIn } = users('a');
    for (const name of ['', 'alice:a', ':']) assert.equal(await signIn.user(exchange, name, 'a'), undefined);
    assert.equal(file.looks, 0);
  });

  it('is the same as long as the file says so now', async () => {
    const { file, signIn } = users('a');
    const user = { name: 'alice', stamp: stampOf('a') };
    assert.equal(await signIn.isStill(user), true);
    file.meanwhile = () => {
      file.hash = 'b';
    };
    assert.equal(await signIn.isStill(user), false);
  });
});
