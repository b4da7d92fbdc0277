package contrail;

import io.delta.storage.HDFSLogStore;
import java.io.File;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Iterator;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.ChecksumFileSystem;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;

/**
 * Delta's log store of a local disk, but for how it lists: Delta's own looks at every file of the folder, four times a second
 * for each stream, and a table's log has tens of thousands after a day. docs/decisions/log-listing.md has the figures.
 */
public class LocalLog extends HDFSLogStore {
    public LocalLog(Configuration configuration) {
        super(configuration);
    }

    /** The files of a folder whose names are not before that of `first`, sorted by name. FileNotFoundException without the folder. */
    @Override
    public Iterator listFrom(Path first, Configuration configuration) throws IOException {
        File folder = new File(first.getParent().toUri().getPath());
        if (isBehindTheNewest(folder, first.getName())) {
            return Collections.emptyIterator();
        }
        String[] names = folder.list();
        if (names == null) {
            throw new FileNotFoundException("No such folder: " + folder);
        }
        // A `Path` costs more than all else here: only for names that are asked for, which are a few behind tens of thousands.
        ArrayList later = new ArrayList();
        for (int place = 0; place < names.length; place++) {
            if (names[place].compareTo(first.getName()) >= 0) {
                later.add(names[place]);
            }
        }
        Collections.sort(later);
        FileSystem system = first.getFileSystem(configuration);
        ArrayList found = new ArrayList();
        for (int place = 0; place < later.size(); place++) {
            Path path = new Path(first.getParent(), new Path(null, null, (String) later.get(place)));
            if (!ChecksumFileSystem.isChecksumFile(path)) {
                try {
                    found.add(system.getFileStatus(path));
                } catch (FileNotFoundException gone) {
                    // deleted since its name was read: it is not there
                }
            }
        }
        return found.iterator();
    }

    /**
     * Whether a stream asks for the entries from the one on that comes next, which is not there yet. Where a damaged entry was set
     * aside, its checkpoint may be there and the log go on behind it.
     */
    private static boolean isBehindTheNewest(File folder, String first) {
        if (!first.matches("[0-9]{20}\\.")) {
            return false;
        }
        long version = Long.parseLong(first.substring(0, first.length() - 1));
        return file(folder, version - 1, "json").exists()
            && !file(folder, version, "json").exists()
            && !file(folder, version, "checkpoint.parquet").exists();
    }

    private static File file(File folder, long version, String kind) {
        return new File(folder, String.format("%020d.%s", new Object[] {Long.valueOf(version), kind}));
    }
}
