export type Scope = unknown; // replaced by the auth work
