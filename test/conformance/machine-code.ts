/**
 * A few instructions of x86-64, for what JavaScript cannot do by calls: 32-bit system calls, and living on after `fork`
 * without the JavaScript heap (V8 maps it so that a forked child does not have it).
 */

import type { Fixture } from './fixture.ts';
import { Unsupported } from './outcome.ts';

const PROT_READ_EXEC = 5;

/** `int 0x80` with eax, ebx, ecx, edx, esi and edi from the words at the argument, and 0 in ebp; eax goes to the word behind them. */
const INT_80 = Uint8Array.of(
  ...[0x53, 0x55, 0x57, 0x31, 0xed], // push rbx; push rbp; push rdi; xor ebp, ebp
  ...[0x8b, 0x07, 0x8b, 0x5f, 0x04, 0x8b, 0x4f, 0x08], // mov eax, ebx and ecx
  ...[0x8b, 0x57, 0x0c, 0x8b, 0x77, 0x10, 0x8b, 0x7f, 0x14], // mov edx, esi and edi
  ...[0xcd, 0x80], // int 0x80
  ...[0x5f, 0x89, 0x47, 0x18], // pop rdi; mov [rdi+24], eax
  ...[0x5d, 0x5b, 0x31, 0xc0, 0xc3], // pop rbp; pop rbx; xor eax, eax; ret
);

/**
 * `fork`; the child makes the system calls of the table at the argument and exits. The table: their number, room for the
 * child's pid, then for each its number, six arguments and room for the answer. Number -1 loads 4 bytes from where the
 * pointer at the first argument points.
 */
const FORK_AND_CALL = Uint8Array.of(
  ...[0x53, 0x41, 0x54, 0x41, 0x55], // push rbx, r12, r13
  ...[0x48, 0x89, 0xfb], // mov rbx, rdi
  ...[0xb8, 57, 0, 0, 0, 0x0f, 0x05], // mov eax, fork; syscall
  ...[0x85, 0xc0, 0x75, 0x4d], // test eax, eax; jnz parent
  ...[0x4c, 0x8b, 0x23], // mov r12, [rbx]
  ...[0x4c, 0x8d, 0x6b, 0x10], // lea r13, [rbx+16]
  // next:
  ...[0x4d, 0x85, 0xe4, 0x74, 0x38], // test r12, r12; jz done
  ...[0x49, 0x8b, 0x45, 0x00], // mov rax, [r13]
  ...[0x49, 0x8b, 0x7d, 0x08], // mov rdi, [r13+8]
  ...[0x48, 0x83, 0xf8, 0xff, 0x75, 0x07], // cmp rax, -1; jne call
  ...[0x48, 0x8b, 0x3f, 0x8b, 0x07, 0xeb, 0x16], // mov rdi, [rdi]; mov eax, [rdi]; jmp store
  // call:
  ...[0x49, 0x8b, 0x75, 0x10], // mov rsi, [r13+16]
  ...[0x49, 0x8b, 0x55, 0x18], // mov rdx, [r13+24]
  ...[0x4d, 0x8b, 0x55, 0x20], // mov r10, [r13+32]
  ...[0x4d, 0x8b, 0x45, 0x28], // mov r8, [r13+40]
  ...[0x4d, 0x8b, 0x4d, 0x30], // mov r9, [r13+48]
  ...[0x0f, 0x05], // syscall
  // store:
  ...[0x49, 0x89, 0x45, 0x38], // mov [r13+56], rax
  ...[0x49, 0x83, 0xc5, 0x40], // add r13, 64
  ...[0x49, 0xff, 0xcc, 0xeb, 0xc3], // dec r12; jmp next
  // done:
  ...[0x31, 0xff, 0xb8, 231, 0, 0, 0, 0x0f, 0x05], // xor edi, edi; mov eax, exit_group; syscall
  // parent:
  ...[0x48, 0x89, 0x43, 0x08], // mov [rbx+8], rax
  ...[0x41, 0x5d, 0x41, 0x5c, 0x5b, 0x31, 0xc0, 0xc3], // pop r13, r12, rbx; xor eax, eax; ret
);

/** Refuses where there is none: before anything is arranged that x86-64 alone has. */
export function insistOnMachineCode(): void {
  if (process.arch !== 'x64') throw new Unsupported(`there is no machine code here for ${process.arch}`);
}

/** Runs code with one argument. */
function execute(f: Fixture, code: Uint8Array, argument: number): void {
  const { host } = f;
  insistOnMachineCode();
  const page = f.pages('read-write');
  f.poke(page, code);
  f.succeeds(host.call('mprotect', page, f.page, PROT_READ_EXEC), 'mprotect');
  // It calls its comparison once, with the key as the first argument.
  host.call('bsearch', argument, page, 1, 1, page);
}

/** Makes a 32-bit system call. Ends the process where the kernel has no 32-bit calls. @param words - At a low address. */
export function syscall32(f: Fixture, words: number): void {
  execute(f, INT_80, words);
}

/** Forks. @param table - In memory that both processes share. */
export function forkAndCall(f: Fixture, table: number): void {
  execute(f, FORK_AND_CALL, table);
}
