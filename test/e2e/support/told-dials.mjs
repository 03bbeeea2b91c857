// Loaded before a program (NODE_OPTIONS=--import): says on stderr whenever it begins to connect, to look up a name, or to send a datagram.
import { createHook } from 'node:async_hooks';
import { writeSync } from 'node:fs';

const dialling =
  /^(?:TCPCONNECTWRAP|PIPECONNECTWRAP|GETADDRINFOREQWRAP|GETNAMEINFOREQWRAP|QUERYWRAP|UDPSENDWRAP)$/;

createHook({
  init(_id, type) {
    if (dialling.test(type)) writeSync(2, `DIALS ${type}\n`);
  },
}).enable();
