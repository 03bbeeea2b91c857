import assert from 'node:assert/strict';
import { it } from 'node:test';
import { RegistryError } from '#src/oci/error.ts';
import { AfterAnswer, NoAnswer } from '#src/oci/no-answer.ts';
import { own, worded } from '#src/oci/wording.ts';

const url = new URL('https://registry.example');

it('a sentence is told in two ways, also as a part of others', () => {
  const who = own('as user "me"', 'with the configured credential');
  const said = worded`${url.host} answered ${403}, ${who}${own(' (/etc/ours)')}`;
  const again = worded`${said}; asked again in ${2} s`;
  assert.equal(
    again.forClients,
    'registry.example answered 403, with the configured credential; asked again in 2 s',
  );
  assert.equal(
    again.forOperator,
    'registry.example answered 403, as user "me" (/etc/ours); asked again in 2 s',
  );
  assert.deepEqual([again.isForAll, worded`nothing of ours`.isForAll], [false, true]);
});

it('an error is for clients what everybody may read, and keeps the rest, whatever is made of it', () => {
  const error = new RegistryError('DENIED', worded`refused${own(' to me')}`);
  for (const each of [
    error,
    new AfterAnswer(url, error),
    new NoAnswer(url, 'nothing', error.wording, error),
  ]) {
    assert.equal(each.message, 'refused');
    assert.doesNotMatch(JSON.stringify(each), /to me/);
    assert.equal(each.forOperator, 'refused to me');
  }
});
