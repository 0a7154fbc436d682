# A native python in a foreign target finds compiled modules by the target's
# names; the dynamic loader then loads their native counterparts.
def _start():
    import sys
    from importlib import machinery

    here = "/.rootless-install/python"
    sys.path[:] = [path for path in sys.path if path != here]
    try:
        with open("/.rootless-install/target") as description:
            triplet = description.readline().strip()
    except OSError:
        return
    native = getattr(sys.implementation, "_multiarch", "")
    suffixes = machinery.EXTENSION_SUFFIXES
    theirs = [suffix.replace(native, triplet) for suffix in suffixes if native and native in suffix]
    loaders = (
        (machinery.ExtensionFileLoader, theirs + suffixes),
        (machinery.SourceFileLoader, machinery.SOURCE_SUFFIXES),
        (machinery.SourcelessFileLoader, machinery.BYTECODE_SUFFIXES),
    )
    for number, hook in enumerate(sys.path_hooks):
        if "FileFinder" in getattr(hook, "__qualname__", ""):
            sys.path_hooks[number] = machinery.FileFinder.path_hook(*loaders)
    sys.path_importer_cache.clear()
    # The target's own, which this one hides.
    this = sys.modules.pop("sitecustomize")
    try:
        import sitecustomize
    except ImportError:
        sys.modules["sitecustomize"] = this


_start()
