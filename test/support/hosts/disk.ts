// A host's disk: an ext4 file system on an image file, mounted in the host's own namespace only, so that it is gone with
// the host's last process, and nothing has to be cleaned up.

import { rm } from 'node:fs/promises';
import { run, until } from '../engine.ts';
import { must } from './processes.ts';

/** A file system can be told to stop at once, its journal unwritten (EXT4_IOC_SHUTDOWN, EXT4_GOING_FLAGS_NOLOGFLUSH). */
const shutDown = `
  my @disks = map { open(my $fh, '<', $_) or die "$_: $!"; $fh } grep { !/^\\d+$/ } @ARGV;
  for my $fh (@disks) { my $how = pack('L', 2); ioctl($fh, 0x8004587d, $how) or die "shutdown: $!"; }
  kill 'KILL', grep { /^\\d+$/ } @ARGV;`;

export class Disk {
  readonly #image: string;
  /** Where the host sees it. */
  readonly dir: string;
  readonly #mib: number;

  constructor(image: string, dir: string, mib: number) {
    this.#image = image;
    this.dir = dir;
    this.#mib = mib;
  }

  async make(): Promise<void> {
    await rm(this.#image, { force: true });
    await must(['truncate', '--size', `${this.#mib}M`, this.#image]);
    await must(['mkfs.ext4', '-q', '-F', '-m', '0', this.#image]);
  }

  /** In the namespaces that `enter` leads to. What a power cut left is repaired from the file system's journal. */
  async mount(enter: readonly string[]): Promise<void> {
    // the namespace of before goes a moment after its last process
    const isFree = async (): Promise<boolean> =>
      (await run(['losetup', '--associated', this.#image])).stdout === '';
    await until(isFree, 30_000, `${this.#image} to be free`);
    await must([...enter, 'mkdir', '-p', this.dir]);
    await must([...enter, 'mount', '-o', 'loop', this.#image, this.dir]);
  }
}

/**
 * The power goes: from one moment on nothing more reaches these disks, whatever was written to their file systems and
 * not synced is lost, and then all processes are dead.
 * @param hosts a disk of each, and the first process of its namespace
 */
export async function cutPowerOf(
  hosts: readonly { readonly disk: Disk; readonly init: number }[],
): Promise<void> {
  const dirs = hosts.map(({ disk, init }) => `/proc/${init}/root${disk.dir}`);
  await must(['perl', '-e', shutDown, ...dirs, ...hosts.map(({ init }) => String(init))]);
}
