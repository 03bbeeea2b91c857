import type { Pushes } from '../../oci/pushes.ts';
import type { RepositoryName } from '../../oci/reference.ts';
import type { Registry } from '../../oci/registry.ts';
import type { Kind, NamedKind, RequestOf } from '../../oci/request.ts';
import type { Exchange } from '../exchange/exchange.ts';

/** The names of repositories of which something is cached, in ASCII order, after `last`, at most `limit`. */
export type Catalog = (page: { last?: string | undefined; limit: number }) => Promise<readonly string[]>;

/** What requests are answered from. */
export interface Sources {
  readonly registry: Registry;
  readonly catalog: Catalog;
  /** What names in the catalogue begin with, for a beginning of names as rules have them. Default: the same. */
  readonly shownBeginnings?: ((beginning: string) => readonly string[]) | undefined;
  /** The path under which clients reach this server, without a slash at its end: `''`, `/cache`. */
  readonly linkPrefix: string;
  /** What clients change. Default: nothing. */
  readonly pushes?: Pushes | undefined;
  /** The repository that another name in a request means; undefined: none. */
  readonly repositoryNamed?: ((name: string) => RepositoryName | undefined) | undefined;
}

/** A request that is to be answered: its method is served, its repository is known, it may. */
export interface Call<K extends Kind> {
  readonly exchange: Exchange;
  readonly request: RequestOf<K>;
  /** Undefined: it is about none. */
  readonly repository: K extends NamedKind ? RepositoryName : undefined;
}

/** Answers a request, or throws why not. */
export type Handler<K extends Kind> = (call: Call<K>, sources: Sources) => Promise<void> | void;
