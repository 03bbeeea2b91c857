import type * as z from 'zod';
import type { Clock } from '../base/clock.ts';
import type { Exchange } from '../http/exchange/exchange.ts';
import type { ImageName } from '../oci/reference.ts';
import type { Pruner } from '../retention/prune.ts';
import type { MetadataStore } from '../storage/metadata-store.ts';
import type { FetchedBlob } from './fill-list.ts';
import type { Who } from './guard.ts';
import type { BlobsOf } from './image-lists.ts';
import type { Shelf } from './named-images.ts';
import { type Parameters, readParameters, type ValuesOf } from './parameters.ts';
import type { RecentFailures } from './recent-failures.ts';
import type { Refresh } from './refresh-images.ts';

/** What calls are answered from. */
export interface AdminSources extends Shelf {
  readonly metadata: Pick<MetadataStore, 'change' | 'getTag'>;
  readonly blobsOf: BlobsOf;
  /** Undefined across an air gap: nobody is asked. */
  readonly refresh: Refresh | undefined;
  /** Undefined: nothing can be removed. */
  readonly pruner?: Pruner | undefined;
  readonly fills: () => Iterable<FetchedBlob>;
  readonly failures: RecentFailures;
  /** Reads the name of one image as clients write it. Throws RegistryError. */
  readonly imageNamed: (text: string) => ImageName;
  /** Ends the server as a SIGTERM does; `by` whom, in words. */
  readonly stop: (by: string) => void;
  readonly clock: Clock;
}

/** A call that may be answered. */
interface AdminCall {
  readonly exchange: Exchange;
  readonly who: Who;
  readonly sources: AdminSources;
  /** Says in the log what is done, and who does it. */
  readonly tell: (what: string, fields?: Readonly<Record<string, unknown>>) => void;
}

/** A call as it is described, and who answers it. */
export interface AdminEndpoint {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: `/cmd/${string}`;
  readonly about: string;
  readonly parameters: Parameters;
  /** What is answered as `text/plain`: the original's lines, where it has the call. Absent: JSON is all there is. */
  readonly text?: string;
  /** What is answered as JSON. */
  readonly json: z.ZodType;
  /** The original's words for parameters that are wrong. */
  readonly refusal: string;
  /** Default: always. */
  readonly isServed?: (sources: AdminSources) => boolean;
  /** Throws BadParameter before anything was done or sent. */
  readonly answer: (call: AdminCall) => Promise<void>;
}

type Described<P extends Parameters> = Omit<AdminEndpoint, 'parameters' | 'answer' | 'refusal'> & {
  readonly parameters: P;
  readonly refusal?: string;
  readonly answer: (call: AdminCall, values: ValuesOf<P>) => Promise<void> | void;
};

export function endpoint<P extends Parameters>(described: Described<P>): AdminEndpoint {
  const { parameters, answer, refusal = 'invalid parameters' } = described;
  return {
    ...described,
    refusal,
    answer: async (call) => await answer(call, await readParameters(parameters, call.exchange.query)),
  };
}
