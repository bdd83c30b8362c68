// SPDX-License-Identifier: Apache-2.0
// Files: those under --root, in a dialog that walks folders, and those that are sent
// from the reader's machine. A path goes to the server as it is, and the server alone
// decides what lies under its root.

import { useEffect, useRef, useState } from "preact/hooks";
import { Entry, Fault, asFault, get, send } from "./api";
import { state } from "./page-state";
import { bytes, say } from "./page-words";

function List({ path, go, take }: { path: string; go: (path: string) => void; take: (path: string) => void }) {
  const [files, setFiles] = useState<Entry[] | null>(null);
  const [fault, setFault] = useState<Fault | null>(null);
  useEffect(() => {
    setFiles(null);
    setFault(null);
    get<{ entries: Entry[] }>(`/files?path=${encodeURIComponent(path)}`)
      .then((listing) => setFiles(listing.entries))
      .catch((error: unknown) => setFault(asFault(error)));
  }, [path]);
  return (
    <>
      <p class="path">{`/ ${path.split("/").join(" / ")}`}</p>
      {fault && <p class="fault">{`${fault.what}: ${fault.why}`}</p>}
      <ul class="files">
        {path && (
          <li>
            <button type="button" onClick={() => go(path.split("/").slice(0, -1).join("/"))}>
              {`‹ ${say("files.up")}`}
            </button>
          </li>
        )}
        {files?.map((f) => (
          <li key={f.path}>
            <button type="button" onClick={() => (f.kind === "folder" ? go(f.path) : take(f.path))}>
              <span>{f.kind === "folder" ? `${f.name} /` : f.name}</span>
              {f.kind === "file" && <small>{bytes(f.bytes)}</small>}
            </button>
          </li>
        ))}
        {files?.length === 0 && <li class="help">{say("files.none")}</li>}
      </ul>
    </>
  );
}

function Chooser({ name, take, close }: { name: string; take: (path: string) => void; close: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const local = useRef<HTMLInputElement>(null);
  const [path, setPath] = useState("");
  const [fault, setFault] = useState<Fault | null>(null);
  useEffect(() => dialog.current?.showModal(), []);
  const done = (chosen: string) => {
    take(chosen);
    dialog.current?.close();
  };
  const upload = async (file: File | undefined) => {
    if (!file) return;
    try {
      done((await send<{ path: string }>("POST", `/files?name=${encodeURIComponent(file.name)}`, file)).path);
    } catch (error) {
      setFault(asFault(error));
    }
  };
  return (
    <dialog ref={dialog} onClose={close} aria-label={say("files.title", name)}>
      <header>
        <h2>{say("files.title", name)}</h2>
        <button type="button" class="icon" aria-label={say("close")} onClick={() => dialog.current?.close()}>
          ✕
        </button>
      </header>
      <button type="button" onClick={() => local.current?.click()}>{say("files.send")}</button>
      <input ref={local} type="file" hidden onChange={(e) => void upload(e.currentTarget.files?.[0])} />
      {fault && <p class="fault">{`${fault.what}: ${fault.why}`}</p>}
      {state.info?.root ? <List path={path} go={setPath} take={done} /> : <p class="help">{say("files.no-root")}</p>}
    </dialog>
  );
}

export function Browse({ name, take }: { name: string; take: (path: string) => void }) {
  const [open, setOpen] = useState(false);
  return (
    <>
      <button type="button" aria-label={say("files.browse-for", name)} onClick={() => setOpen(true)}>
        {say("files.browse")}
      </button>
      {open && <Chooser name={name} take={take} close={() => setOpen(false)} />}
    </>
  );
}
