// Preloaded by each test process, before the first source that has types: what another has stripped of them and compiled is not stripped nor
// compiled again. Not by NODE_COMPILE_CACHE, which the programs that tests start would inherit. The folder is theirs (src/bin.js).
import { enableCompileCache } from 'node:module';
import { fileURLToPath } from 'node:url';

enableCompileCache(fileURLToPath(new URL('../../.cache/compile', import.meta.url)));
