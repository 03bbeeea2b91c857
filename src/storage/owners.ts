/** `unknown`: nothing tells, for its lock was removed or cannot be looked at. */
export type OwnerLife = 'alive' | 'dead' | 'unknown';

/** Which of the processes that write to one directory live, told by something that ends with them, however they end. */
export interface Owners extends Disposable {
  /** This process’s id, 16 hex digits: it stands in the names of what it writes. */
  readonly mine: string;
  lifeOf(owner: string): Promise<OwnerLife>;
  /** Nothing is left of one that is dead, or of this one. Never rejects. */
  forget(owner: string): Promise<void>;
  /** Sees to it that others find this one alive, whatever somebody has removed. Never rejects. */
  renew(): Promise<void>;
}
