import assert from 'node:assert/strict';
import { argon2Sync } from 'node:crypto';
import { describe, it } from 'node:test';
import { parseHtpasswd } from '#src/door/identity/htpasswd.ts';
import { faultOfHash, isPasswordOf } from '#src/door/identity/password-hash.ts';
import { bcrypt } from '#test/fakes/passwords.ts';
import { secret } from '#test/fakes/secrets.ts';

const hash = bcrypt('right');

function argon2(password: string, { m = 64, t = 1, p = 1 } = {}): string {
  const salt = Buffer.from('a salt of sixteen');
  const tag = argon2Sync('argon2id', {
    ...{ message: password, nonce: salt, parallelism: p, tagLength: 32, memory: m, passes: t },
  });
  const text = (bytes: Buffer): string => bytes.toString('base64').replace(/=+$/, '');
  return `$argon2id$v=19$m=${m},t=${t},p=${p}$${text(salt)}$${text(tag)}`;
}

describe('a password file', () => {
  it('has a user with a hash a line, comments and empty lines', () => {
    const text = `# who\n\nalice:${hash}\r\n  bob:${argon2('right')}  \n`;
    assert.deepEqual([...parseHtpasswd(text).keys()], ['alice', 'bob']);
  });

  const wrong: readonly (readonly [line: string, why: RegExp])[] = [
    ['alice', /line 2: it must be user:hash/],
    [`:${hash}`, /line 2: it must be user:hash/],
    [`a b:${hash}`, /line 2: this is no name/],
    [`root:${hash}`, /line 2: the user "root" is there twice/],
    [`alice:$apr1$x$${secret('md5')}`, /line 2: the password is hashed by MD5: only bcrypt/],
    [`alice:{SHA}${secret('sha')}`, /line 2: the password is hashed by SHA-1/],
    [`alice:$6$x$${secret('crypt')}`, /line 2: the password is hashed by SHA-512 crypt/],
    [`alice:$2x$${hash.slice(4)}`, /a wrong bcrypt/],
    [`alice:${secret('plain')}`, /line 2: the password is no hash that is known/],
    [`alice:${hash.slice(0, -1)}`, /line 2: the password is no hash that is known/],
    [`alice:$2b$31$${hash.slice(7)}`, /line 2: the cost of bcrypt must be from 4 to 14, not 31/],
    [`alice:${argon2('x').replace('m=64', 'm=4000000')}`, /line 2: argon2id may take 262144 KiB/],
    [`alice:${argon2('x').replace('t=1', 't=999')}`, /line 2: argon2id may have 1 to 16 passes/],
    [`alice:${argon2('x').replace('m=64', 'm=7')}`, /line 2: argon2id needs 8 KiB/],
    [`alice:${argon2('x').replace('$argon2id', '$argon2i')}`, /argon2i: only/],
  ];
  for (const [line, why] of wrong)
    it(`is refused by the line, without a word of the hash: ${String(why)}`, () => {
      assert.throws(
        () => parseHtpasswd(`root:${hash}\n${line}\n`),
        (error: Error) => why.test(error.message) && !error.message.includes('s3cret'),
      );
    });
});

describe('a hash', () => {
  for (const begin of ['$2a$', '$2b$', '$2y$'])
    it(`of bcrypt is compared: ${begin}`, () => {
      const its = `${begin}${hash.slice(4)}`;
      assert.equal(faultOfHash(its), undefined);
      assert.deepEqual([isPasswordOf(its, 'right'), isPasswordOf(its, 'wrong')], [true, false]);
    });

  it('of argon2id is compared', () => {
    const its = argon2('right', { m: 128, t: 2, p: 2 });
    assert.equal(faultOfHash(its), undefined);
    assert.deepEqual([isPasswordOf(its, 'right'), isPasswordOf(its, 'wrong')], [true, false]);
  });

  it('of bcrypt is that of no password of which bcrypt sees the begin alone', () => {
    const [most, umlauts] = ['x'.repeat(72), 'ü'.repeat(36)];
    for (const password of [most, umlauts]) {
      const its = bcrypt(password);
      assert.equal(isPasswordOf(its, password), true);
      assert.equal(isPasswordOf(its, `${password}y`), false);
      assert.equal(isPasswordOf(bcrypt(`${password}y`), `${password}y`), false);
    }
    const long = 'x'.repeat(100);
    assert.equal(isPasswordOf(argon2(long), long), true);
  });

  it('is what Apache and others wrote', () => {
    const apache = '$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC';
    assert.equal(isPasswordOf(apache, 'myPassword'), true);
  });
});
