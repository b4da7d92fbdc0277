package contrail;

import io.delta.storage.S3SingleDriverLogStore;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Iterator;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.s3a.S3AFileSystem;
import org.apache.hadoop.fs.s3a.S3AUtils;
import software.amazon.awssdk.core.exception.SdkException;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.model.ListObjectsV2Request;
import software.amazon.awssdk.services.s3.model.ListObjectsV2Response;
import software.amazon.awssdk.services.s3.model.S3Object;

/**
 * Delta's log store of S3, but for how it lists a log: from a name on, where Delta's own asks for all that was ever there, a
 * thousand names a request. Delta has the same, switched off; its call is to an older Hadoop than Spark's.
 */
public class S3Log extends S3SingleDriverLogStore {
    private static final long BLOCK_BYTES = 32L << 20;

    public S3Log(Configuration configuration) {
        super(configuration);
    }

    /** The files of a folder whose names are not before that of `first`, sorted by name. FileNotFoundException without the folder. */
    @Override
    public Iterator listFrom(Path first, Configuration configuration) throws IOException {
        Path folder = first.getParent();
        if (!folder.getName().equals("_delta_log") || !first.getName().matches("[0-9]{20}\\..*")) {
            return super.listFrom(first, configuration);
        }
        // From the entry before on: that one tells an end of the log, which is asked for most, from a folder that is not there.
        long before = Math.max(Long.parseLong(first.getName().substring(0, 20)) - 1, 0);
        String prefix = folder.toUri().getPath().substring(1) + "/";
        String start = prefix + String.format("%020d", new Object[] {Long.valueOf(before)});
        S3AFileSystem system = (S3AFileSystem) first.getFileSystem(configuration);
        ArrayList found = new ArrayList();
        boolean empty = true;
        try {
            S3Client client = system.getS3AInternals().getAmazonS3Client("listing a log");
            String page = null;
            do {
                ListObjectsV2Request.Builder request = ListObjectsV2Request.builder();
                request.bucket(system.getBucket()).prefix(prefix).delimiter("/").startAfter(start).continuationToken(page);
                ListObjectsV2Response response = client.listObjectsV2((ListObjectsV2Request) request.build());
                Iterator objects = response.contents().iterator();
                while (objects.hasNext()) {
                    S3Object one = (S3Object) objects.next();
                    String name = one.key().substring(prefix.length());
                    empty = false;
                    if (name.compareTo(first.getName()) >= 0) {
                        long at = one.lastModified().toEpochMilli();
                        found.add(new FileStatus(one.size().longValue(), false, 1, BLOCK_BYTES, at, new Path(folder, name)));
                    }
                }
                page = response.nextContinuationToken();
            } while (page != null);
        } catch (SdkException error) {
            throw S3AUtils.translateException("list", folder, error);
        }
        if (empty && !system.exists(folder)) {
            throw new FileNotFoundException("No such folder: " + folder);
        }
        return found.iterator();
    }
}
