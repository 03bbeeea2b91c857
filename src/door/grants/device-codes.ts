import { randomInt } from 'node:crypto';
import type { Clock } from '../../base/clock.ts';
import { OwnedEntries } from '../../base/owned-entries.ts';
import { RegistryError } from '../../oci/error.ts';
import { SecretHashes } from '../secret-hashes.ts';
import type { GrantingUser } from '../tokens/grant.ts';
import type { OAuthClient } from '../tokens/oauth-clients.ts';
import { TokenError } from '../tokens/token-error.ts';
import { newSecret } from './new-secret.ts';

/** A device that waits for a user to allow it something. */
export interface WaitingDevice {
  readonly client: OAuthClient;
  readonly scopes: readonly string[];
  /** What the device shows: `BCDF-GHJK`. */
  readonly userCode: string;
}

interface Device extends WaitingDevice {
  /** By {@link Clock.monotonic}. */
  readonly until: number;
  /** Undefined: nobody has said anything yet. */
  answer: GrantingUser | 'denied' | undefined;
  intervalMs: number;
  /** It may ask again from then on. */
  askAt: number;
}

/** So long a user has to sign in. Milliseconds. */
export const deviceLifeMs = 10 * 60_000;
/** A device asks so often, and those that ask more often by so much less (RFC 8628 section 3.5). Milliseconds. */
export const deviceIntervalMs = 5000;
/** So long it hears that its time is over, or gets what was allowed in the last moment. Milliseconds. */
const expiredMs = 5 * 60_000;
/** All that wait, and those of one network: whoever asks has shown nothing, if his client is a public one. */
const bounds = { most: 10_000, mostOfOne: 50 };
/** Without vowels and what is taken for another (RFC 8628 section 6.1): 20^8 of them. */
const letters = 'BCDFGHJKLMNPQRSTVWXZ';
const userCodeLength = 8;

/** Device codes, and the user codes that go with them. */
export class DeviceCodes {
  readonly #clock: Clock;
  readonly #hashes = new SecretHashes();
  readonly #byDeviceCode: OwnedEntries<Device>;
  readonly #byUserCode: OwnedEntries<Device>;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#byDeviceCode = new OwnedEntries({ clock, ...bounds, lifeMs: deviceLifeMs + expiredMs });
    this.#byUserCode = new OwnedEntries({ clock, ...bounds, lifeMs: deviceLifeMs });
  }

  /** The device code is a secret. `network`: from where it is asked for. Throws TOOMANYREQUESTS (429). */
  begin(
    network: string,
    client: OAuthClient,
    scopes: readonly string[],
  ): { readonly deviceCode: string; readonly userCode: string } {
    if (this.#byDeviceCode.isFullFor(network)) throw tooMany();
    const deviceCode = newSecret();
    const userCode = this.#newUserCode();
    const now = this.#clock.monotonic();
    const device: Device = {
      ...{ client, scopes, userCode, until: now + deviceLifeMs, answer: undefined },
      ...{ intervalMs: deviceIntervalMs, askAt: now },
    };
    this.#byDeviceCode.add(this.#hashes.of(deviceCode), network, device);
    this.#byUserCode.add(this.#hashes.of(userCode), network, device);
    return { deviceCode, userCode };
  }

  /** Who waits with this code, in whatever way it is typed. Undefined: nobody, or not any more. */
  waiting(typed: string): WaitingDevice | undefined {
    const code = userCodeIn(typed);
    return code === undefined ? undefined : this.#byUserCode.get(this.#hashes.of(code));
  }

  /** The user code is used up by it. False: nobody waits with it any more. */
  answer(userCode: string, answer: GrantingUser | 'denied'): boolean {
    const key = this.#hashes.of(userCode);
    const device = this.#byUserCode.get(key);
    if (device === undefined) return false;
    this.#byUserCode.forget(key);
    device.answer = answer;
    return true;
  }

  /** What was allowed, once. Throws TokenError (RFC 8628 section 3.5). */
  ask(deviceCode: string, client: OAuthClient): { scopes: readonly string[]; user: GrantingUser } {
    const key = this.#hashes.of(deviceCode);
    const device = this.#byDeviceCode.get(key);
    if (device === undefined || device.client.id !== client.id)
      throw new TokenError('invalid_grant', 'the device code is not good: ask for another one');
    if (device.answer === undefined) throw this.#notYet(device, this.#clock.monotonic());
    this.#byDeviceCode.forget(key);
    if (device.answer === 'denied') throw new TokenError('access_denied', 'the user has not allowed it');
    return { scopes: device.scopes, user: device.answer };
  }

  #notYet(device: Device, now: number): TokenError {
    if (now >= device.until)
      return new TokenError('expired_token', 'nobody has signed in in time: ask for another code');
    const isEarly = now < device.askAt;
    if (isEarly) device.intervalMs += deviceIntervalMs;
    device.askAt = now + device.intervalMs;
    return isEarly
      ? new TokenError('slow_down', `ask each ${device.intervalMs / 1000} seconds, and not more often`)
      : new TokenError('authorization_pending', 'nobody has signed in yet');
  }

  #newUserCode(): string {
    for (;;) {
      const chosen = Array.from({ length: userCodeLength }, () => letters.charAt(randomInt(letters.length)));
      const code = shown(chosen.join(''));
      if (this.#byUserCode.get(this.#hashes.of(code)) === undefined) return code;
    }
  }
}

/** As it is shown; undefined: it is none. */
export function userCodeIn(typed: string): string | undefined {
  const only = typed.toUpperCase().replaceAll(/[\s-]/g, '');
  const isCode = only.length === userCodeLength && [...only].every((letter) => letters.includes(letter));
  return isCode ? shown(only) : undefined;
}

function shown(code: string): string {
  return `${code.slice(0, 4)}-${code.slice(4)}`;
}

function tooMany(): RegistryError {
  return new RegistryError('TOOMANYREQUESTS', 'too many devices wait to be allowed in: try again later', {
    headers: { 'Retry-After': '60' },
  });
}
