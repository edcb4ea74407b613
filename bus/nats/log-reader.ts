import { createInbox, type Msg } from 'nats';
import { BusError, type LogRecord } from '../ports.ts';
import { toBusError } from './errors.ts';
import type { Link } from './link.ts';

export interface BatchOptions {
  readonly stream: string;
  readonly from: number;
  readonly recordsMax: number;
  /** The server stops behind the record that exceeds it. */
  readonly bytesMax: number;
  /** Between two records. */
  readonly timeoutMs: number;
}

/**
 * Records that stand in a stream from `from` on, by JetStream's batched direct get; consumers are not used, since they
 * hung when their host was killed. Ends before a gap: it may be a purge that happened in between. Rejects with `BusError`.
 */
export async function readBatch(link: Link, options: BatchOptions): Promise<readonly LogRecord[]> {
  const connection = link.connection();
  const { stream, from, recordsMax, bytesMax, timeoutMs } = options;
  return new Promise((resolve, reject) => {
    const records: LogRecord[] = [];
    const inbox = createInbox();
    const end = (settle: () => void): void => {
      clearTimeout(timer);
      subscription.unsubscribe();
      settle();
    };
    const timeOut = (): void =>
      end(() => reject(new BusError('timeout', 'the log does not answer')));
    let timer = setTimeout(timeOut, timeoutMs);
    const subscription = connection.subscribe(inbox, {
      callback: (error, message) => {
        if (error !== null) return end(() => reject(toBusError(error)));
        const status = message.headers?.code ?? 0;
        if (status === endOfBatch || status === notFound)
          return end(() => resolve(withoutGap(records)));
        const record = recordOf(message);
        if (record === undefined) return end(() => reject(refusal(message)));
        records.push(record);
        clearTimeout(timer);
        timer = setTimeout(timeOut, timeoutMs);
      },
    });
    // A subscription that was not ended above is closed with its connection.
    void subscription.closed.then(() =>
      end(() => reject(new BusError('disconnected', 'the connection to the log was lost'))),
    );
    const request = JSON.stringify({ seq: from, batch: recordsMax, max_bytes: bytesMax });
    connection.publish(`$JS.API.DIRECT.GET.${stream}`, request, { reply: inbox });
  });
}

const endOfBatch = 204;
const notFound = 404;

function recordOf(message: Msg): LogRecord | undefined {
  const seq = Number(message.headers?.get('Nats-Sequence'));
  // Copied: a record may be kept for long, and would keep the whole network buffer alive.
  return Number.isSafeInteger(seq) && seq > 0
    ? { seq, data: Uint8Array.from(message.data) }
    : undefined;
}

function refusal(message: Msg): BusError {
  const { code = 0, description = 'not a record' } = message.headers ?? {};
  return code === 503
    ? new BusError('no-responder', 'nobody has the log')
    : new BusError('refused', `${code} ${description}`);
}

function withoutGap(records: readonly LogRecord[]): readonly LogRecord[] {
  const first = records[0]?.seq ?? 0;
  const gap = records.findIndex((record, index) => record.seq !== first + index);
  return gap === -1 ? records : records.slice(0, gap);
}
