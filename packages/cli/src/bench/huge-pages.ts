/**
 * @file Transparent huge pages for the allocator: first touches of fresh memory are dear on virtual machines, and
 * glibc can be told to ask for 2 MiB pages. The variable must be set before a process starts.
 */

/** Environment of a process whose allocator asks for huge pages. */
export const hugePages: Readonly<Record<string, string>> = { GLIBC_TUNABLES: 'glibc.malloc.hugetlb=1' }

/** glibc knows the tunable since 2.35; a user's own tunables are left alone. */
export function hugePagesAvailable(): boolean {
  if (process.platform !== 'linux' || process.env.GLIBC_TUNABLES !== undefined) return false
  const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } }
  const [major = 0, minor = 0] = (header.glibcVersionRuntime ?? '').split('.').map(Number)
  return major > 2 || (major === 2 && minor >= 35)
}
