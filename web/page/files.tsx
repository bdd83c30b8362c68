// SPDX-License-Identifier: Apache-2.0
// Files under --root: a dialog that walks folders. A path goes to the server as it
// is, and the server alone decides what lies under its root.

import { useEffect, useRef, useState } from "preact/hooks";
import { Entry, Fault, asFault, get } from "./api";
import { bytes, say } from "./page-words";

interface Listing {
  files?: Entry[];
  entries?: Entry[];
}

const isFolder = (f: Entry) => /^(folder|dir|directory)$/.test(f.kind ?? "");
const join = (path: string, name: string) => (path ? `${path}/${name}` : name);

function Chooser({ name, take, close }: { name: string; take: (path: string) => void; close: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [path, setPath] = useState("");
  const [files, setFiles] = useState<Entry[] | null>(null);
  const [fault, setFault] = useState<Fault | null>(null);
  useEffect(() => dialog.current?.showModal(), []);
  useEffect(() => {
    setFiles(null);
    get<Listing>(`/files?path=${encodeURIComponent(path)}`)
      .then((listing) => setFiles(listing.files ?? listing.entries ?? []))
      .catch((error: unknown) => setFault(asFault(error)));
  }, [path]);
  const choose = (f: Entry) => {
    if (isFolder(f)) return setPath(join(path, f.name));
    take(join(path, f.name));
    dialog.current?.close();
  };
  return (
    <dialog ref={dialog} onClose={close} aria-label={say("files.title", name)}>
      <header>
        <h2>{say("files.title", name)}</h2>
        <button type="button" class="icon" aria-label={say("close")} onClick={() => dialog.current?.close()}>
          ✕
        </button>
      </header>
      <p class="path">{`/ ${path.split("/").join(" / ")}`}</p>
      {fault && <p class="fault">{`${fault.what}: ${fault.why}`}</p>}
      <ul class="files">
        {path && (
          <li>
            <button type="button" onClick={() => setPath(path.split("/").slice(0, -1).join("/"))}>
              {`‹ ${say("files.up")}`}
            </button>
          </li>
        )}
        {files?.map((f) => (
          <li key={f.name}>
            <button type="button" onClick={() => choose(f)}>
              <span>{isFolder(f) ? `${f.name} /` : f.name}</span>
              {!isFolder(f) && <small>{bytes(f.bytes ?? f.size ?? 0)}</small>}
            </button>
          </li>
        ))}
        {files?.length === 0 && <li class="help">{say("files.none")}</li>}
      </ul>
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
