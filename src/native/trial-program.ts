/** The program of a trial: opens the native kernel, and ends as that lets it. Whatever it throws is told where it is opened in earnest. */
import { openNativeKernel } from './index.ts';

try {
  openNativeKernel();
} catch {
  process.exitCode = 1;
}
