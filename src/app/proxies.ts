import type { Config, RegistryConfig } from '../config/schema.ts';
import { ProxyChoice } from '../net/dial/proxy-choice.ts';
import { overridden } from './overridden.ts';

/** By which proxies a registry's hosts are reached. Throws what is wrong with those of the environment. */
export function proxiesOf(
  config: Config,
  registry: RegistryConfig | undefined,
  env: NodeJS.ProcessEnv,
): ProxyChoice {
  const { proxy, noProxy } = overridden(config.upstream, registry?.upstream);
  return new ProxyChoice({ proxy: proxy?.reveal(), noProxy, env });
}

/** Throws what is wrong with the proxies of the environment, before anything listens. */
export function checkProxies(config: Config, env: NodeJS.ProcessEnv): void {
  if (!config.airGapped) proxiesOf(config, undefined, env);
}
