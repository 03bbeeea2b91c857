import type * as z from 'zod';
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { AddressRule } from '../../net/dial/address-rule.ts';
import type { TransportRequest, TransportResponse } from '../../net/transport.ts';
import type { RegistryHost } from '../../oci/reference.ts';
import type { CredentialProvider } from '../credentials.ts';

/** How a source of credentials asks over the network, wherever the rule lets it. To be disposed. */
export type Connect = (rule: AddressRule) => Questions;

export interface Questions extends AsyncDisposable {
  /** Throws as a Transport does, and UNAVAILABLE for an answer that is long or breaks off. */
  ask(request: TransportRequest): Promise<WholeAnswer>;
}

/** Of any status; redirects are not followed. */
interface WholeAnswer extends Pick<TransportResponse, 'status' | 'headers'> {
  readonly body: Buffer;
}

/** What a source of credentials is made with, whichever it is. */
export interface ProviderParts {
  readonly host: RegistryHost;
  /** Where the registry's API is. */
  readonly origin: URL;
  /** The longest time between two fetches. Milliseconds. */
  readonly expiryMs: number;
  readonly clock: Clock;
  /** 0 ≤ random < 1. */
  readonly random: () => number;
  readonly log: Log;
  readonly env: NodeJS.ProcessEnv;
  readonly connect: Connect;
}

interface Definition<Name extends string, Options extends z.ZodObject> {
  /** As `auth.token.provider` says it. */
  readonly name: Name;
  /** Of `auth.token.providerOpts`. Strict: an option that is not here is a mistake. None is a secret: a diagnosis shows them. */
  readonly options: Options;
  /** Asks nobody yet. */
  open(options: z.output<Options>, parts: ProviderParts): CredentialProvider;
  /** The file, or the folder, that it reads by these options, so that a start can say that it is not there. */
  reads?(options: z.output<Options>): string | undefined;
  /** The same of a program. */
  runs?(options: z.output<Options>): string | undefined;
}

/** A kind of source that can be configured. */
export interface Provider<Name extends string = string> {
  readonly name: Name;
  readonly options: z.ZodObject;
  /** Throws ZodError. */
  choose(options: unknown): ChosenProvider;
}

/** A source as it is configured. */
export interface ChosenProvider {
  readonly name: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly file: string | undefined;
  readonly program: string | undefined;
  /** For one registry: each has its own, so that accounts and regions live side by side. To be disposed. */
  open(parts: ProviderParts): CredentialProvider;
}

/** What one provider is, in one place. Whoever lists it needs to know nothing of its options. */
export function provider<const Name extends string, Options extends z.ZodObject>(
  definition: Definition<Name, Options>,
): Provider<Name> {
  const { name } = definition;
  return {
    name,
    options: definition.options,
    choose(given) {
      const options = definition.options.parse(given);
      return {
        name,
        options,
        file: definition.reads?.(options),
        program: definition.runs?.(options),
        open: (parts) => definition.open(options, parts),
      };
    },
  };
}
