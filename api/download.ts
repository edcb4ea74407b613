import type { IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { answerHead } from './answer-head.ts';
import type { EngineClient } from './engine.ts';
import { hasBody, requestHeaders } from './headers.ts';
import { pump } from './pump.ts';

/** Questions whose answers are as large as images and containers. */
const bulk = /^\/(?:images\/(?:.+\/)?get|containers\/[^/]+\/(?:export|archive))$/;

export const isDownload = (req: IncomingMessage, path: string): boolean =>
  req.method === 'GET' &&
  req.httpVersion === '1.1' &&
  bulk.test(path) &&
  !hasBody(req) &&
  req.headers.upgrade === undefined &&
  req.headers.expect === undefined;

/**
 * Hands an answer's bytes to the client as the engine sends them, in one buffer that is used again and again: looked at
 * is the head alone. Both connections end with the answer. An answer that is cut off shows by its own framing.
 */
export function download(
  engine: EngineClient,
  req: IncomingMessage,
  path: string,
  client: Socket,
  refuse: (error: unknown) => void,
): void {
  const { buffer, hand } = pump(
    () => toEngine,
    () => client,
  );
  let head: Buffer | undefined = Buffer.alloc(0);
  /** Answers whether more is to be read now. */
  const take = (data: Buffer): boolean => {
    if (head === undefined) return hand(data);
    head = Buffer.concat([head, data]);
    const read = answerHead(head);
    if (read === undefined) return true;
    const first = head.subarray(read.length);
    head = undefined;
    client.write(read.text, 'latin1');
    return first.length === 0 || hand(first);
  };
  const failed = (): void => {
    toEngine.destroy();
    if (head === undefined) client.destroy();
    else refuse(engine.away());
    head = undefined;
  };
  const callback = (size: number, bytes: Uint8Array): boolean => {
    try {
      return take((bytes as Buffer).subarray(0, size));
    } catch {
      failed();
      return false;
    }
  };
  const toEngine = connect({ path: engine.socketPath, onread: { buffer, callback } });
  toEngine.on('error', failed);
  toEngine.on('end', () => (head === undefined ? client.end() : failed()));
  client.on('error', () => client.destroy()).on('end', () => client.destroy());
  client.on('close', () => toEngine.destroy());
  // nothing that follows is read as a request; reading on shows when the client ends
  client.resume();
  toEngine.resume().write(requestHead(req, path), 'latin1');
}

/** Node's parser lets neither a space nor a line's end into a target or a value. */
function requestHead(req: IncomingMessage, path: string): string {
  const fields = Object.entries(requestHeaders(req)).flatMap(([name, value]) =>
    [value].flat().map((one) => `${name}: ${one}`),
  );
  return [`GET ${path} HTTP/1.1`, 'host: docker', 'connection: close', ...fields, '', ''].join(
    '\r\n',
  );
}
