import { homedir } from 'node:os';

/** Where a user keeps his files: `HOME`, else what the system knows of him; in a container it may not know him at all: `/`. */
export function homeDirectory(env: NodeJS.ProcessEnv): string {
  const { HOME: home } = env;
  if (home) return home;
  try {
    return homedir();
  } catch {
    return '/';
  }
}
