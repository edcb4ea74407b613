import { Fault } from '../../../domain/errors.ts';
import type { ServiceSpec } from '../../../domain/model/spec.ts';
import {
  checkServiceSpec,
  convertServiceSpec,
  type SpecOptions,
} from '../../../domain/spec/service.ts';

type Json = Readonly<Record<string, unknown>>;

/** A minimal service as a client sends it, with parts replaced. */
export const body = (container: Json = {}, task: Json = {}, service: Json = {}): Json => ({
  Name: 'web',
  TaskTemplate: { ContainerSpec: { Image: 'nginx', ...container }, ...task },
  ...service,
});

export const options = (apiVersion = '1.51'): SpecOptions => ({
  apiVersion,
  newName: () => 'drawn_name',
});

/** A canonical, valid spec from a request's body, or a `Fault` with Docker's text. */
export function serviceSpecFrom(input: unknown, apiVersion?: string): ServiceSpec {
  const spec = convertServiceSpec(input, options(apiVersion));
  checkServiceSpec(spec);
  return spec;
}

/** What a client sees of the fault that `run` throws: HTTP-like code word and Docker's text. */
export function faultOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    const text = `${error.code}: ${error.message}`;
    return error.origin === 'daemon' ? `daemon ${text}` : text;
  }
  return 'no fault';
}
