import { askReadiness } from '@kiln/shared/command-line'
import type { Config } from '../config.ts'

/** What is wrong with the service on this machine; undefined when it is ready. */
export function findUnreadiness({
  host,
  port,
  operationsHost = host,
  operationsPort = port,
  tlsCertFile,
}: Pick<Config, (typeof healthcheckConfigKeys)[number]>): Promise<string | undefined> {
  const tls = tlsCertFile !== undefined && operationsPort === port
  return askReadiness({ hostname: operationsHost, port: operationsPort, tls })
}

const tlsKeys = ['tlsCertFile', 'tlsKeyFile'] as const
export const healthcheckConfigKeys = ['host', 'port', 'operationsHost', 'operationsPort', ...tlsKeys] as const
