import type { RunningService } from './process.ts'

const password = 'correct horse battery'

/** The access token of an admin who is made, where there is none yet, and has logged in. */
export async function logInAdmin({ url, command }: Pick<RunningService, 'url' | 'command'>): Promise<string> {
  const create = ['users', 'create', '--email', 'admin@example.com', '--role', 'admin', '--password-stdin']
  await command([...create, '--if-missing'], { input: password })
  const login = await fetch(`${url}/api/auth/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ email: 'admin@example.com', password }),
  })
  const { access_token } = (await login.json()) as { access_token: string }
  return access_token
}
