/** Images that are loaded at a time, where nothing else is wanted. */
export const defaultParallel = 4;
/** What a registry is asked at a time is bounded besides, by `upstream.maxConcurrent`. */
export const maxParallel = 64;
